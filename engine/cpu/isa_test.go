package cpu

import (
	"strings"
	"testing"
)

// withEachISA runs a test over the kernels of each set of instructions that the
// processor has.
func withEachISA(t *testing.T, test func(t *testing.T)) {
	before, err := ISAInUse()
	if err != nil {
		t.Fatal(err)
	}
	defer limitISA(before)
	for isa := Plain; isa <= BestISA(); isa++ {
		limitISA(isa)
		t.Run(isa.String(), test)
	}
}

func TestMaxISA(t *testing.T) {
	t.Setenv(MaxISA, "avx1024")
	if _, err := ISAInUse(); err == nil || !strings.Contains(err.Error(), `"avx1024"; expected one of plain, avx2, avx512, avx512bf16, amx`) {
		t.Errorf("an unknown set gives %v", err)
	}
	for _, name := range []string{"", "plain", "amx"} {
		t.Setenv(MaxISA, name)
		if _, err := ISAInUse(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}
