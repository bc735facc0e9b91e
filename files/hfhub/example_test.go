package hfhub_test

import (
	"context"
	"fmt"

	"gorqa/files/hfhub"
)

func ExampleResolve() {
	// A path that exists is taken as it is; an id like
	// "HuggingFaceTB/SmolLM2-135M-Instruct" would be fetched into the cache.
	path, err := hfhub.Resolve(context.Background(), ".", hfhub.Options{})
	fmt.Println(path, err)
	// Output: . <nil>
}
