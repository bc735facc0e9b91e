//go:build mpi && cgo

package world

import "encoding/json"

// message is what processes tell one another beside the collective calls.
type message struct {
	Kind  kind
	Calls uint64   `json:",omitempty"` // collective calls begun, of a beat
	Fault *Failure `json:",omitempty"`
	Clean bool     `json:",omitempty"` // of a bye: no call is left over
}

type kind int

const (
	beat  kind = iota // this process is alive
	fault             // the world has failed
	bye               // this process is at its end; from rank 0: all are
)

// mostMessage bounds a message in bytes.
const mostMessage = 8 << 10

func (m message) encode() []byte {
	data, _ := json.Marshal(m) // numbers and texts
	if len(data) > mostMessage && m.Fault != nil {
		short := *m.Fault
		short.Reason = string([]rune(short.Reason)[:mostMessage/16]) + " …"
		m.Fault = &short
		data, _ = json.Marshal(m)
	}
	return data
}

func decode(data []byte) (m message, err error) {
	err = json.Unmarshal(data, &m)
	return m, err
}
