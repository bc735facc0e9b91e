package app

import (
	"gorqa/config"
	"gorqa/engine/world"
	"gorqa/qa"
	"gorqa/report"
	"gorqa/text/dataset"
)

// session is what the parts of a command share from its beginning to its end.
type session struct {
	device         qa.Device                          // without an engine where nothing is computed
	hub            config.Hub                         // where models come from that do not lie here
	world          *world.World                       // the processes that the command runs on
	crew           *crew                              // of them, where they divide work; nil for one process
	documents      func() ([]dataset.Document, error) // reads them once; nil for those that the index holds
	show           *report.Run
	fetchesNothing bool              // needs no network: what is in the caches is looked at; a hub's model alone is asked for that is not there
	located        map[string]string // where models were found, by name and revision; nil where each is asked for once
}
