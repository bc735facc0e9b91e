// Parts of the PJRT C API, from openxla's xla/pjrt/c/pjrt_c_api.h, of version 0:
// places and sizes never change within one. A function takes a struct that
// begins with its size, and returns an error or NULL.

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

typedef void *function(void *args);

typedef struct {
	size_t size;
	void *extension;
	struct {
		size_t size;
		void *extension;
		int major, minor;
	} version;
	function *functions[57]; // there are more
} api;

enum {
	ERROR_DESTROY = 0,
	EVENT_DESTROY = 5,
	EVENT_AWAIT = 8,
	CLIENT_CREATE = 10,
	CLIENT_ADDRESSABLE_DEVICES = 16,
	CLIENT_COMPILE = 20,
	DEVICE_MEMORY_STATS = 34,
	EXECUTABLE_DESTROY = 40,
	SERIALIZE = 49,
	GET_EXECUTABLE = 51,
	EXECUTE = 55,
	DESERIALIZE = 56
};

typedef struct {
	size_t size;
	void *extension;
	const char *code;
	size_t code_size;
	const char *format;
	size_t format_size;
} program;

typedef struct {
	size_t size;
	void *extension, *client;
	const program *program;
	const char *options;
	size_t options_size;
	void *loaded; // out
} compile_args;

typedef struct {
	size_t size;
	void *extension, *client;
	const char *bytes;
	size_t bytes_size;
	void *loaded; // out
	const char *options;
	size_t options_size;
} load_args;

typedef struct {
	size_t size;
	void *extension, *executable;
	const char *bytes; // out, as what follows
	size_t bytes_size;
	void *owner;
	void (*free)(void *owner);
} serialize_args;

typedef struct {
	size_t size;
	void *extension, *executable, *options, *inputs;
	size_t devices, input_count;
	void *outputs, **complete; // complete: an event a device, or NULL if nobody waits
	void *device;
} execute_args;

// api_of is the table of the loaded plugin at path, NULL if there is none that
// reads as above.
static inline api *api_of(const char *path) {
	void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
	api *(*get)(void) = library ? (api * (*)(void)) dlsym(library, "GetPjrtApi") : NULL;
	api *found = get ? get() : NULL;
	return found && found->version.major == 0 && found->size >= sizeof *found ? found : NULL;
}

// ok says whether there is no error, and frees it.
static inline int ok(api *plugin, void *error) {
	struct { size_t size; void *extension, *error; } args = {sizeof args, NULL, error};
	if (error) plugin->functions[ERROR_DESTROY](&args);
	return !error;
}

// extension is one of a table's list; of FFI, whose handlers are foreign calls.
typedef struct extension {
	size_t size;
	int type;
	struct extension *next;
	function *functions[3]; // of FFI
} extension;

enum { FFI = 5, ADD_HANDLER = 2 };

typedef struct {
	size_t size;
	const char *name;
	size_t name_size;
	void *handler;
	const char *platform;
	size_t platform_size;
	int traits;
} handler_args;

// add_handler has a plugin know a handler by name on a platform, and says whether it does.
static inline int add_handler(api *plugin, const char *name, const char *platform, void *handler) {
	handler_args args = {sizeof args, name, strlen(name), handler, platform, strlen(platform), 0};
	for (extension *e = plugin->extension; e; e = e->next)
		if (e->type == FFI && e->size >= sizeof *e) return ok(plugin, e->functions[ADD_HANDLER](&args));
	return 0;
}
