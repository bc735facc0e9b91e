package app

import "io"

// Streams are a command's input and outputs.
type Streams struct {
	In  io.Reader
	Out io.Writer // results, for the next program
	Err io.Writer // progress and notes, for the user
}
