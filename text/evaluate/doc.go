// Package evaluate scores a retrieval-augmented question answerer: text metrics
// (F1, precision, exact match, ROUGE, BLEU), retrieval metrics, and the
// end-to-end evaluation over a Retriever and a Generator, with the comparison
// of two such evaluations.
//
// The metrics carry LocalRQA's keys; Run lists them. A new one of texts is a function
// in text.go, one of rankings in retrieval.go; beside it a name in the list of metrics.go
// that it belongs to. What a server decides stands in judge. The package must not know
// prompts, tokens, models or the command line: what retrieves and what
// generates is handed in.
package evaluate
