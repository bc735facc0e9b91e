package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"gorqa/files/whole"

	"gorqa/files/redact"
)

// Resolved is the settings as a JSON object, one setting a line in the order
// of the help, without secrets. Given back with --config it gives the same
// settings.
func Resolved(s Settings) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("{")
	comma := "\n"
	for _, st := range newSet(s).settings {
		if st.off != "" || st.secret || st.hidden {
			continue
		}
		value, err := marshal(st.value())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", st.name, err)
		}
		// A password in an address is no setting to keep.
		fmt.Fprintf(&out, "%s  %q: %s", comma, st.name, redact.Text(string(value)))
		comma = ",\n"
	}
	out.WriteString("\n}\n")
	return out.Bytes(), nil
}

// marshal leaves "<s>" as it is, where json.Marshal escapes for HTML.
func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// Write saves the resolved settings as a .json file, in a folder that is made
// if it is not there. The file is whole or not there.
func Write(path string, s Settings) error {
	data, err := Resolved(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return whole.Bytes(path, data)
}
