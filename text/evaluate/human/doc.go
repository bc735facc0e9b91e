// Package human holds what people say of answers: the scales that they rate by, the file
// of their annotations, how far raters agree, and what it makes of two runs.
//
// It must not know how people are asked: package review shows them pages.
package human
