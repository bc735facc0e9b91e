package mlflow

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gorqa/files/modelfile"
	"gorqa/files/whole"
)

// folder is a file store: EXPERIMENT/RUN/{meta.yaml, params, tags, metrics}, a file for
// each key.
type folder string

// entry is a line of a meta.yaml. What YAML reads as JSON it reads the same.
type entry struct {
	key   string
	value any
}

func writeMeta(path string, entries []entry) error {
	var text strings.Builder
	for _, e := range entries {
		value, err := json.Marshal(e.value)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s: %s\n", e.key, value)
	}
	return whole.Bytes(path, []byte(text.String()))
}

// experimentID is a number that follows from the name, as MLflow's are of digits.
func experimentID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return strconv.FormatUint(binary.BigEndian.Uint64(sum[:])%1e18, 10)
}

func address(path string) (string, error) {
	path, err := filepath.Abs(path)
	return (&url.URL{Scheme: "file", Path: path}).String(), err
}

func (f folder) begin(_ context.Context, o Options, at time.Time) (id string, err error) {
	experiment := experimentID(o.Experiment)
	dir := filepath.Join(string(f), experiment)
	where, err := address(dir)
	if err != nil {
		return "", err
	}
	meta := filepath.Join(dir, "meta.yaml")
	if !modelfile.Exists(meta) {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return "", err
		}
		if err := writeMeta(meta, []entry{
			{"artifact_location", where}, {"creation_time", at.UnixMilli()}, {"experiment_id", experiment}, {"last_update_time", at.UnixMilli()},
			{"lifecycle_stage", "active"}, {"name", o.Experiment},
		}); err != nil {
			return "", err
		}
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // which never fails
	id = hex.EncodeToString(random)
	run := filepath.Join(dir, id)
	files := map[string]string{"tags/mlflow.runName": o.Name, "tags/mlflow.source.name": "gorqa", "tags/mlflow.source.type": "LOCAL"}
	for key, value := range o.Params {
		files["params/"+clean(key)] = value[:min(len(value), longestParam)]
	}
	for _, part := range []string{"params", "tags", "metrics", "artifacts"} {
		if err := os.MkdirAll(filepath.Join(run, part), 0o777); err != nil {
			return "", err
		}
	}
	for name, text := range files {
		if err := whole.Bytes(filepath.Join(run, filepath.FromSlash(name)), []byte(text)); err != nil {
			return "", err
		}
	}
	return id, writeMeta(filepath.Join(run, "meta.yaml"), []entry{
		{"artifact_uri", where + "/" + id + "/artifacts"}, {"end_time", nil}, {"entry_point_name", ""}, {"experiment_id", experiment}, {"lifecycle_stage", "active"},
		{"run_id", id}, {"run_name", o.Name}, {"run_uuid", id}, {"source_name", ""}, {"source_type", 4}, {"source_version", ""},
		{"start_time", at.UnixMilli()}, {"status", 1}, {"tags", []string{}}, {"user_id", "gorqa"},
	})
}

// find is the folder of a run.
func (f folder) find(id string) (string, error) {
	found, err := filepath.Glob(filepath.Join(string(f), "*", id, "meta.yaml"))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%s: %d runs %s found; one expected", f, len(found), id)
	}
	if err != nil {
		return "", err
	}
	return filepath.Dir(found[0]), nil
}

func (f folder) resume(_ context.Context, id string) error { return f.mark(id, 1, nil) }

// log adds a line to the file of each key: time, value and step.
func (f folder) log(_ context.Context, id string, metrics []metric) error {
	run, err := f.find(id)
	if err != nil {
		return err
	}
	lines := map[string]string{}
	for _, m := range metrics {
		lines[clean(m.Key)] += fmt.Sprintf("%d %s %d\n", m.Time, strconv.FormatFloat(m.Value, 'g', -1, 64), m.Step)
	}
	var errs []error
	for key, text := range lines {
		errs = append(errs, appendTo(filepath.Join(run, "metrics", filepath.FromSlash(key)), text))
	}
	return errors.Join(errs...)
}

func appendTo(path, text string) (err error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s: no regular file found; one of MLflow's expected", path)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.WriteString(text)
	return err
}

func (f folder) end(_ context.Context, id string, status Status, at time.Time) error {
	return f.mark(id, map[Status]int{Finished: 3, Failed: 4, Killed: 5}[status], at.UnixMilli())
}

// mark changes how a run stands.
func (f folder) mark(id string, status int, end any) error {
	run, err := f.find(id)
	if err != nil {
		return err
	}
	path := filepath.Join(run, "meta.yaml")
	data, err := modelfile.Read(path, 1<<20)
	if err != nil {
		return err
	}
	when := "null"
	if end != nil {
		when = fmt.Sprint(end)
	}
	data = regexp.MustCompile(`(?m)^status: .*$`).ReplaceAll(data, []byte("status: "+strconv.Itoa(status)))
	data = regexp.MustCompile(`(?m)^end_time: .*$`).ReplaceAll(data, []byte("end_time: "+when))
	return whole.Bytes(path, data)
}
