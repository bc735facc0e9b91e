package pyindex

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gopkg.in/ini.v1"

	"gorqa/files/modelfile"
)

// Settings are those of pip that say where packages come from.
type Settings struct {
	Index      string   // "" for none
	Extra      []string // more indexes
	FindLinks  []string // folders, files and pages with links
	NoIndex    bool     // only FindLinks count
	Trusted    []string // hosts, or hosts with ports, whose certificates are not looked at
	Cert       string   // a file or a folder of certificates, in the place of the system's
	ClientCert string
	Proxy      string
	Timeout    time.Duration
}

// maxConfig bounds a settings file, in bytes.
const maxConfig = 1 << 20

// FromPip reads pip's settings as "pip download" does: its files, the machine's before
// the user's before the environment's, their section download over global, and the
// variables PIP_… over all.
func FromPip() (Settings, error) {
	global, download := map[string]string{}, map[string]string{}
	for _, path := range configFiles() {
		data, err := modelfile.Read(path, maxConfig)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return Settings{}, fmt.Errorf("pip's settings: %w", err)
		}
		file, err := ini.LoadSources(ini.LoadOptions{
			AllowPythonMultilineValues: true, IgnoreInlineComment: true, IgnoreContinuation: true, PreserveSurroundedQuote: true, AllowBooleanKeys: true,
		}, data)
		if err != nil {
			return Settings{}, fmt.Errorf("pip's settings: %s: %w; expected sections of lines such as index-url = …", path, err)
		}
		for name, into := range map[string]map[string]string{"global": global, "download": download} {
			for key, value := range file.Section(name).KeysHash() {
				into[option(key)] = value
			}
		}
	}
	for key, value := range download {
		global[key] = value
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if key, ok := strings.CutPrefix(name, "PIP_"); ok && value != "" {
			global[option(key)] = value
		}
	}
	return settings(global)
}

// option is the name of an option as pip's files and variables write it.
func option(key string) string {
	key = strings.TrimPrefix(strings.ReplaceAll(strings.ToLower(key), "_", "-"), "--")
	if key == "default-timeout" {
		return "timeout"
	}
	return key
}

func settings(values map[string]string) (Settings, error) {
	s := Settings{
		Index: values["index-url"], Extra: strings.Fields(values["extra-index-url"]), FindLinks: strings.Fields(values["find-links"]),
		Trusted: strings.Fields(values["trusted-host"]), Cert: home(values["cert"]), ClientCert: home(values["client-cert"]), Proxy: values["proxy"],
		Timeout: 15 * time.Second,
	}
	if s.Cert == "" { // as requests does
		s.Cert = first(os.Getenv("REQUESTS_CA_BUNDLE"), os.Getenv("CURL_CA_BUNDLE"))
	}
	for i, link := range s.FindLinks {
		s.FindLinks[i] = home(link)
	}
	if text := values["timeout"]; text != "" {
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || !(seconds > 0 && seconds <= 86400) {
			return s, fmt.Errorf("pip's settings: timeout: %q found; a number of seconds expected", text)
		}
		s.Timeout = time.Duration(seconds * float64(time.Second))
	}
	switch strings.ToLower(values["no-index"]) {
	case "1", "true", "yes", "on", "y", "t":
		s.NoIndex = true
	}
	return s, nil
}

// configFiles are the files of pip's settings, those that win last.
func configFiles() []string {
	last := os.Getenv("PIP_CONFIG_FILE")
	if last == os.DevNull {
		return nil
	}
	var files []string
	for _, dir := range filepath.SplitList(first(os.Getenv("XDG_CONFIG_DIRS"), "/etc/xdg")) {
		files = append(files, filepath.Join(dir, "pip", "pip.conf"))
	}
	files = append(files, "/etc/pip.conf")
	if user, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(user, ".pip", "pip.conf"), filepath.Join(first(os.Getenv("XDG_CONFIG_HOME"), filepath.Join(user, ".config")), "pip", "pip.conf"))
	}
	for _, environment := range []string{"CONDA_PREFIX", "VIRTUAL_ENV"} {
		if dir := os.Getenv(environment); dir != "" {
			files = append(files, filepath.Join(dir, "pip.conf"))
		}
	}
	if last != "" {
		files = append(files, last)
	}
	return files
}

// home puts the user's folder in the place of ~.
func home(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if user, err := os.UserHomeDir(); err == nil {
			return filepath.Join(user, rest)
		}
	}
	return path
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
