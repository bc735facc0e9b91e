// Package dataset holds the data of retrieval-augmented question answering:
// documents, dialogue turns and examples, the reading and checking of the files
// they come in, and their writing.
//
// It must not know prompts, tokens, retrieval, models or the command line. It
// imports no other package of gorqa but the reader of pickles.
package dataset
