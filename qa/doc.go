// Package qa brings text and tensors together: a generator with its text side
// (loaded, asked, trained on rows, saved, exported), the adapter beside it,
// questions that follow on others, and the passages of rows with the retriever
// that finds them. Only here are both sides known: what a recipe's rows are made
// of, and which architecture learns them. It must not know settings, commands or
// what a run does when: its options are plain structs, which app fills in.
package qa
