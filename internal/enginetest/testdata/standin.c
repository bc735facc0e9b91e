// A PJRT plugin that stands in for CUDA's on a machine without a GPU: the CPU's,
// under a name that go-xla takes for CUDA's. It leaves out CUDA's options, and has
// plain code for the two calls of cuDNN's attention that go-xla makes, over one
// causal row, with operands and layouts as jax gives them to cuDNN. Handlers of foreign
// calls for CUDA it gives a stream, which the CPU's has not.
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../engine/cpu/ffi.h"
#include "../../../engine/xla/pjrt.h"

static api *cpu; // the CPU's plugin
static function *create, *compile, *execute, *add_for_host;

static void *create_without_options(void *p) {
	struct { size_t size; void *extension, *options; size_t count; } *args = p;
	args->count = 0;
	return create(p);
}

static float wide(uint16_t x) {
	uint32_t bits = (uint32_t)x << 16;
	float f;
	memcpy(&f, &bits, 4);
	return f;
}

static uint16_t bf16_of(float f) {
	uint32_t bits;
	memcpy(&bits, &f, 4);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float dot(const uint16_t *a, const uint16_t *b, long n) {
	float sum = 0;
	for (long i = 0; i < n; i++) sum += wide(a[i]) * wide(b[i]);
	return sum;
}

static void add(float *sum, float by, const uint16_t *x, long n) {
	for (long i = 0; i < n; i++) sum[i] += by * wide(x[i]);
}

// Queries, keys and values lie as [S, H, C]; at is a head's vector at a position.
typedef struct { long s, h, c; float scale; } shape;

static shape shape_of(const ffi_buffer *q) {
	return (shape){q->dims[1], q->dims[2], q->dims[3], 1 / sqrtf((float)q->dims[3])};
}

static long at(const shape *d, long position, long head) { return (position * d->h + head) * d->c; }

// metadata answers a frame that asks for the version, and says whether it did.
static int metadata(ffi_frame *f) {
	if (!f->extension || f->extension->type != METADATA) return 0;
	f->extension->metadata->version.major = f->api->version.major;
	f->extension->metadata->version.minor = f->api->version.minor;
	return 1;
}

// q, k, v to o [1, H, S, C], which lies as [S, H, C], and the log-sum-exp [1, H, S].
static void *forward(ffi_frame *f) {
	if (metadata(f) || f->stage != EXECUTING) return NULL;
	const shape d = shape_of(f->in.list[0]);
	const uint16_t *q = f->in.list[0]->data, *k = f->in.list[1]->data, *v = f->in.list[2]->data;
	uint16_t *o = f->out.list[0]->data;
	float *stats = f->out.list[1]->data, *p = malloc(d.s * sizeof *p), *sums = malloc(d.c * sizeof *sums);
	for (long h = 0; h < d.h; h++)
		for (long i = 0; i < d.s; i++) {
			float top = -INFINITY, total = 0;
			for (long j = 0; j <= i; j++) {
				p[j] = d.scale * dot(q + at(&d, i, h), k + at(&d, j, h), d.c);
				top = fmaxf(top, p[j]);
			}
			memset(sums, 0, d.c * sizeof *sums);
			for (long j = 0; j <= i; j++) {
				p[j] = expf(p[j] - top), total += p[j];
				add(sums, p[j], v + at(&d, j, h), d.c);
			}
			for (long c = 0; c < d.c; c++) o[at(&d, i, h) + c] = bf16_of(sums[c] / total);
			stats[h * d.s + i] = top + logf(total);
		}
	free(p), free(sums);
	return NULL;
}

// q, k, v, the log-sum-exp, dO and o to dQ, dK and dV, as o.
static void *backward(ffi_frame *f) {
	if (metadata(f) || f->stage != EXECUTING) return NULL;
	const shape d = shape_of(f->in.list[0]);
	const uint16_t *q = f->in.list[0]->data, *k = f->in.list[1]->data, *v = f->in.list[2]->data;
	const float *stats = f->in.list[3]->data;
	const uint16_t *dO = f->in.list[4]->data, *o = f->in.list[5]->data;
	const long size = d.s * d.h * d.c;
	float *sums[3];
	for (int n = 0; n < 3; n++) sums[n] = calloc(size, sizeof(float));
	for (long h = 0; h < d.h; h++)
		for (long i = 0; i < d.s; i++) {
			const long a = at(&d, i, h);
			const float delta = dot(dO + a, o + a, d.c);
			for (long j = 0; j <= i; j++) {
				const long b = at(&d, j, h);
				const float p = expf(d.scale * dot(q + a, k + b, d.c) - stats[h * d.s + i]);
				const float ds = d.scale * p * (dot(dO + a, v + b, d.c) - delta);
				add(sums[0] + a, ds, k + b, d.c);
				add(sums[1] + b, ds, q + a, d.c);
				add(sums[2] + b, p, dO + a, d.c);
			}
		}
	for (int n = 0; n < 3; n++) {
		uint16_t *out = f->out.list[n]->data;
		for (long i = 0; i < size; i++) out[i] = bf16_of(sums[n][i]);
		free(sums[n]);
	}
	return NULL;
}

// compile_known compiles a program whose calls of cuDNN are those of XLA's own
// interface. The last program with such calls is left in the file that
// GORQA_STANDIN_PROGRAM names.
static void *compile_known(void *p) {
	static const char start[] = "\"stablehlo.custom_call\"", target[] = "call_target_name = \"__cudnn$fmha", end[] = "} : (";
	static const char old[] = "api_version = 2 : i32", new[] = "api_version = 4 : i32", config[] = "backend_config = \"";
	compile_args *args = p;
	const program *own = args->program;
	char *text = malloc(own->code_size + 1);
	memcpy(text, own->code, own->code_size);
	text[own->code_size] = 0;
	char *found = strstr(text, target);
	FILE *file = found && getenv("GORQA_STANDIN_PROGRAM") ? fopen(getenv("GORQA_STANDIN_PROGRAM"), "w") : NULL;
	if (file) fwrite(text, 1, own->code_size, file), fclose(file);
	for (; found; found = strstr(found + 1, target)) {
		char *from = found;
		while (strncmp(from, start, sizeof start - 1)) from--;
		char *version = strstr(from, old);
		memcpy(version, new, sizeof new - 1);
		char *string = strstr(from, config), *last = string + sizeof config - 1;
		while (*last != '"') last += *last == '\\' ? 2 : 1;
		last += last[1] == ',' ? 2 : 1;
		memset(string, ' ', (size_t)(last - string));
		if (strstr(from, end) < found) abort(); // not as go-xla writes it
	}
	program changed = *own;
	changed.code = text, changed.code_size = strlen(text);
	args->program = &changed;
	void *error = compile(args);
	args->program = own;
	free(text);
	return error;
}

// execute_in_turn returns once the device is done, so that calls run one after another as
// in a GPU's stream: the CPU's plugin runs those side by side whose inputs are there, and
// then some products come out wrong.
static void *execute_in_turn(void *p) {
	execute_args *args = p;
	void *done = NULL, **asked = args->complete;
	if (args->devices != 1) abort(); // one process has one device
	args->complete = &done;
	void *error = execute(args);
	args->complete = asked;
	if (error) return error;
	if (asked) {
		*asked = done;
		return NULL;
	}
	struct { size_t size; void *extension, *event; } of = {sizeof of, NULL, done};
	ok(cpu, cpu->functions[EVENT_AWAIT](&of)); // who reads the outputs is told of an error
	ok(cpu, cpu->functions[EVENT_DESTROY](&of));
	return NULL;
}

// Handlers for CUDA, each behind a function of its own, since a frame does not say whose it is.
enum { CUDA_HANDLERS = 4 };
static void *(*cuda_handlers[CUDA_HANDLERS])(ffi_frame *);

static void *stream_of_standin(ffi_stream *s) {
	s->stream = &cuda_handlers;
	return NULL;
}

static void *with_stream(ffi_frame *f, int i) {
	ffi_api changed = *f->api;
	changed.get_stream = stream_of_standin;
	const ffi_api *own = f->api;
	f->api = &changed;
	void *error = cuda_handlers[i](f);
	f->api = own;
	return error;
}

static void *cuda_0(ffi_frame *f) { return with_stream(f, 0); }
static void *cuda_1(ffi_frame *f) { return with_stream(f, 1); }
static void *cuda_2(ffi_frame *f) { return with_stream(f, 2); }
static void *cuda_3(ffi_frame *f) { return with_stream(f, 3); }

static void *add_for_cuda(void *p) {
	static int count;
	void *(*behind[CUDA_HANDLERS])(ffi_frame *) = {cuda_0, cuda_1, cuda_2, cuda_3};
	handler_args *args = p, host = *args;
	if (args->platform_size != 4 || memcmp(args->platform, "CUDA", 4)) return add_for_host(p);
	if (count == CUDA_HANDLERS) abort();
	memcpy(&cuda_handlers[count], &args->handler, sizeof args->handler);
	memcpy(&host.handler, &behind[count++], sizeof host.handler);
	host.platform = "Host";
	return add_for_host(&host);
}

// GORQA_STANDIN_FOR is the CPU's plugin.
api *GetPjrtApi(void) {
	static api *plugin;
	if (plugin) return plugin;
	void *library = dlopen(getenv("GORQA_STANDIN_FOR"), RTLD_NOW);
	api *(*get)(void) = library ? (api * (*)(void)) dlsym(library, "GetPjrtApi") : NULL;
	if (!get) return NULL;
	plugin = cpu = get();
	execute = plugin->functions[EXECUTE];
	plugin->functions[EXECUTE] = execute_in_turn;
	create = plugin->functions[CLIENT_CREATE], compile = plugin->functions[CLIENT_COMPILE];
	plugin->functions[CLIENT_CREATE] = create_without_options;
	plugin->functions[CLIENT_COMPILE] = compile_known;
	if (!add_handler(plugin, "__cudnn$fmhaSoftmax", "Host", forward) || !add_handler(plugin, "__cudnn$fmhaSoftmaxBackward", "Host", backward)) abort();
	for (extension *e = plugin->extension; e; e = e->next)
		if (e->type == FFI) add_for_host = e->functions[ADD_HANDLER], e->functions[ADD_HANDLER] = add_for_cuda;
	return plugin;
}
