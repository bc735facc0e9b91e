package app

import (
	"io"

	"gorqa/engine/world"
)

// Streams are a command's input and outputs, and the processes that it runs on.
type Streams struct {
	In  io.Reader
	Out io.Writer // results, for the next program
	Err io.Writer // progress and notes, for the user

	World *world.World // nil for one process; of several, rank 0 alone has outputs that lead somewhere
}
