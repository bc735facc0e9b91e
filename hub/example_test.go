package hub_test

import (
	"context"
	"fmt"

	"gorqa/hub"
)

func ExampleResolve() {
	// A path that exists is taken as it is; an id like
	// "HuggingFaceTB/SmolLM2-135M-Instruct" would be fetched into the cache.
	path, err := hub.Resolve(context.Background(), ".", hub.Options{})
	fmt.Println(path, err)
	// Output: . <nil>
}
