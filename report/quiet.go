package report

import (
	"bytes"
	"io"
)

// Quiet is a console that shows warnings alone. It takes whole messages, as a Run
// writes them.
type Quiet struct{ Out io.Writer }

func (q Quiet) Write(message []byte) (int, error) {
	if !bytes.HasPrefix(message, []byte(warningMark)) {
		return len(message), nil
	}
	return q.Out.Write(message)
}
