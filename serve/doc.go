// Package serve answers questions over HTTP as OpenAI's API does: chat completions,
// completions, models and embeddings, with the passages that each answer was given as
// citations, a page to chat on, and metrics for Prometheus.
//
// One goroutine, the worker, has the model: it takes what waits, of one client after the
// other, finds passages for it, and takes all answers a step further together. Handlers
// only wait for what it says. The package knows HTTP and package qa; it must not know the
// engine, the files or the settings of a command.
package serve
