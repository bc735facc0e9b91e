// Package endpointtest answers requests as an OpenAI-compatible endpoint in trouble
// does. Only tests import it; it knows no call of any endpoint.
package endpointtest

import (
	"fmt"
	"net/http"
)

// Answer may answer the n-th request (from 1) and says whether it did.
type Answer func(n int, w http.ResponseWriter, r *http.Request) (done bool)

// Refuse answers the first times requests with an error of this status, and asks
// for another try after a millisecond.
func Refuse(status, times int) Answer {
	return func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n > times {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After-Ms", "1")
		w.WriteHeader(status)
		fmt.Fprint(w, `{"error":{"message":"the reason","type":"t","param":"","code":"c"}}`)
		return true
	}
}

// Say answers every request with a text that claims to be JSON.
func Say(text string) Answer {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
		return true
	}
}

// Hang never answers.
func Hang(_ int, _ http.ResponseWriter, r *http.Request) bool {
	<-r.Context().Done()
	return true
}
