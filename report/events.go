package report

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// eventFile is a TensorBoard event file: TFRecords of Event messages
// (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).
type eventFile struct{ f *appendFile }

const eventPrefix = "events.out.tfevents."

// removeEvents deletes the event files of an earlier run, and nothing else. A link
// to their folder is removed, and what it leads to left alone.
func removeEvents(dir string) error {
	if info, err := os.Lstat(dir); err == nil && info.Mode()&os.ModeSymlink != 0 {
		return os.Remove(dir)
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), eventPrefix) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// createEvents starts a file in dir. Events at or beyond the step purge in
// older files of the folder no longer count; a purge below 0 leaves them.
func createEvents(dir string, at time.Time, purge int) (*eventFile, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	// Files are read in the order of their names.
	name := fmt.Sprintf("%s%010d.%s.%d.%09d", eventPrefix, at.Unix(), filepath.Base(host), os.Getpid(), at.Nanosecond())
	f, err := openAppend(EventsDir, filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	e := &eventFile{f}
	err = e.write(versionEvent(at))
	if err == nil && purge >= 0 {
		err = e.write(startEvent(at, purge))
	}
	if err != nil {
		return nil, errors.Join(err, f.close())
	}
	return e, nil
}

func (e *eventFile) close() error { return e.f.close() }

func (e *eventFile) scalars(step int, at time.Time, values []scalar) error {
	if len(values) == 0 {
		return nil
	}
	return e.write(summaryEvent(at, step, values))
}

// write appends one record at once.
func (e *eventFile) write(event []byte) error { return e.f.add(record(event)) }

// A scalar is one value under its tag.
type scalar struct {
	tag   string
	value float64
}

// scalars are an event's figures under the tags that transformers' Trainer
// gives them: eval_x is eval/x, test_x is test/x, all others are train/x.
func scalars(fields []field) []scalar {
	var out []scalar
	for _, f := range fields {
		value, ok := f.value.(float64)
		if !ok {
			continue
		}
		tag := "train/" + f.name
		for _, split := range []string{"eval", "test"} {
			if rest, ok := strings.CutPrefix(f.name, split+"_"); ok {
				tag = split + "/" + rest
			}
		}
		out = append(out, scalar{tag, value})
	}
	return out
}

func eventAt(at time.Time, step int) []byte {
	var b []byte
	b = protowire.AppendTag(b, 1, protowire.Fixed64Type) // wall_time
	b = protowire.AppendFixed64(b, math.Float64bits(float64(at.UnixMicro())/1e6))
	if step != 0 {
		b = protowire.AppendTag(b, 2, protowire.VarintType) // step
		b = protowire.AppendVarint(b, uint64(step))
	}
	return b
}

func versionEvent(at time.Time) []byte {
	b := protowire.AppendTag(eventAt(at, 0), 3, protowire.BytesType) // file_version
	return protowire.AppendString(b, "brain.Event:2")
}

// startEvent tells readers that a session starts at step.
func startEvent(at time.Time, step int) []byte {
	b := protowire.AppendTag(eventAt(at, step), 7, protowire.BytesType) // session_log
	session := protowire.AppendTag(nil, 1, protowire.VarintType)        // status
	session = protowire.AppendVarint(session, 1)                        // START
	return protowire.AppendBytes(b, session)
}

func summaryEvent(at time.Time, step int, values []scalar) []byte {
	var summary []byte
	for _, v := range values {
		value := protowire.AppendTag(nil, 1, protowire.BytesType) // tag
		value = protowire.AppendString(value, v.tag)
		value = protowire.AppendTag(value, 2, protowire.Fixed32Type) // simple_value
		value = protowire.AppendFixed32(value, math.Float32bits(float32(v.value)))
		summary = protowire.AppendTag(summary, 1, protowire.BytesType)
		summary = protowire.AppendBytes(summary, value)
	}
	b := protowire.AppendTag(eventAt(at, step), 5, protowire.BytesType) // summary
	return protowire.AppendBytes(b, summary)
}

// record frames data as a TFRecord: length, its checksum, data, its checksum.
func record(data []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	out = binary.LittleEndian.AppendUint32(out, masked(out))
	out = append(out, data...)
	return binary.LittleEndian.AppendUint32(out, masked(data))
}

// masked is TFRecord's checksum: CRC-32C, rotated and shifted.
func masked(data []byte) uint32 {
	crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (crc>>15 | crc<<17) + 0xa282ead8
}
