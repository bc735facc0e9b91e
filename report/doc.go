// Package report is what a run shows while it goes and leaves behind when it
// ends: progress and tables on the console, train.log, metrics.jsonl,
// TensorBoard event files and report.html in the output folder.
//
// It is told figures and names; it must not know what they mean, where they
// come from or what is done about them, and imports no other package of
// gorqa.
package report
