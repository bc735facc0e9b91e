// Package app has one function for each command of gorqa. It wires the other
// packages together and holds no method of its own: what it does is said by
// the packages it calls. Only cmd/gorqa imports it.
//
// Results go to Streams.Out, all talk to Streams.Err.
package app
