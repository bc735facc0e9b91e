// Package questions makes questions and answers from passages, to train and test
// an answerer on: which passages are asked about in which split (a [Plan]), what a
// [Writer] is asked for and how its replies are read, and which of its questions
// are kept ([Plan.Make]).
//
// A Writer is asked for text: whether it is a model behind an endpoint or one on
// this machine, the package does not know, nor tensors or the command line.
package questions
