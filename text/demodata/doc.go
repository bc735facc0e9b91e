// Package demodata makes a question-answering data set from the documentation of
// the Go standard library, as it lies in the source of any Go installation:
// passages from doc comments and declarations, questions about them, and
// answers that the passages hold. The demo trains on it, so that nothing has
// to be downloaded or licensed.
//
// It must not know models, tokens or training.
package demodata
