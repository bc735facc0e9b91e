package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// SettingsFile is the file of a run's folder that holds its settings.
const SettingsFile = "all_args.json"

// aRun is the folder of a run that a command is given before its other arguments,
// in the place of --config and --model_name_or_path.
type aRun struct {
	folder   string // of the model: the run's, or one of its checkpoints'
	settings string // the run's SettingsFile
}

// findRun takes the run off the arguments of a command that works on one. Only a
// folder is one; where the command takes a word as well (ask's question), a single
// argument that is no folder is that word.
func (s *set) findRun(rest []string) (*aRun, []string, error) {
	p := s.positional
	if p == nil || !p.run || len(rest) == 0 {
		return nil, rest, nil
	}
	folder := rest[0]
	info, err := os.Stat(folder)
	if err != nil || !info.IsDir() {
		if len(rest) < len(p.names) && len(p.names) > 1 {
			return nil, rest, nil
		}
		if info, err := os.Stat(folder); err == nil && !info.IsDir() {
			return nil, rest[1:], fmt.Errorf("%q: a file found; the folder of a run expected, which has an %s (for a model alone, --model_name_or_path %s)", folder, SettingsFile, folder)
		}
		return nil, rest[1:], fmt.Errorf("%q: found where the folder of a run stands; a folder with %s expected, as gorqa train leaves it (or are quotes missing around the arguments?)", folder, SettingsFile)
	}
	// A checkpoint's settings are those of the run that it lies in.
	for _, dir := range []string{folder, filepath.Join(folder, "..")} {
		file := filepath.Join(dir, SettingsFile)
		if info, err := os.Stat(file); err == nil && !info.IsDir() { // who reads it names a pipe
			return &aRun{folder: folder, settings: file}, rest[1:], nil
		}
	}
	return nil, rest[1:], fmt.Errorf("%q: a folder without %s found; the folder of a run expected (for a model alone, --model_name_or_path)", folder, SettingsFile)
}

// use sets the model to the run's, and where it can be set, the output folder to
// one of its own. Flags may still say otherwise, but for the model.
func (r *aRun) use(s *set, flags []assignment) error {
	for _, a := range flags {
		if st := s.lookup(a.name); st != nil && st.name == "model_name_or_path" {
			return fmt.Errorf("--%s: found beside the run %q; one of them expected", a.name, r.folder)
		}
	}
	values := map[string]string{"model_name_or_path": r.folder, "adapter_name_or_path": ""}
	for _, fresh := range []string{"config_name", "tokenizer_name"} { // what it was made of
		if st := s.lookup(fresh); st != nil && st.off == "" {
			values[fresh] = ""
		}
	}
	if s.lookup("output_dir") != nil {
		values["output_dir"] = filepath.Join(r.folder, "eval")
	}
	for name, value := range values {
		if err := s.lookup(name).Set(value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
