// Package pyindex downloads a Python wheel from a package index without Python, over
// the simple API (PEP 503 in HTML, PEP 691 in JSON): from the indexes and folders, by
// the proxy, with the certificates and the credentials that pip is configured with.
// No host of an index stands in this code: where none is configured, pip has to be
// asked. What is downloaded is known by its hash beforehand, goes on where it broke
// off and is not run.
//
// It knows nothing of what wheels hold.
package pyindex
