// Package config holds the settings of every gorqa command: their names,
// defaults, help, the reading of flags and files, and the checks that need
// nothing but the settings themselves.
//
// A setting is declared once, in the declare method of the group it belongs
// to, and bound to a plain struct field. The command line and a settings file
// are two lists of (name, values) applied through that one declaration, the
// file first, so that flags win. A file has one group (model.go, prompt.go, retrieval.go)
// or one command's settings (train.go, eval.go): the groups that it embeds, and some of
// its own. What answers questions embeds Answering, whatever the command.
//
// Names and meanings are those of Hugging Face's TrainingArguments
// (transformers 5.23) and of LocalRQA's training scripts; where the two give
// different defaults, LocalRQA's stand, so that its command line means the
// same run.
//
// The package must not know what the settings are used for: it opens no data and no
// model, imports of gorqa what reads and writes files and the list of schedules, and
// lets no flag library show in its API.
package config
