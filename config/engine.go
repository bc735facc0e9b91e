package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Engine says what models are computed with.
type Engine struct {
	BF16        bool   // compute in bfloat16; weights and moments stay float32
	Backend     string // "xla:cpu", "xla:cuda12" or "xla:cuda13", of these with ":N" for a device
	OnLowMemory string // "error" or "warn"
}

// DefaultEngine computes in bfloat16. (TrainingArguments' default is float32;
// LocalRQA's examples all turn bfloat16 on, and it is the faster and smaller
// of the two on every device the engine reaches well.)
func DefaultEngine() Engine { return Engine{BF16: true, Backend: "xla:cpu", OnLowMemory: "error"} }

var backends = []string{"xla:cpu", "xla:cuda12", "xla:cuda13"}

// Device is what Backend names: a variant of the engine, and the number of its device where
// one is chosen by hand, else -1.
func (m Engine) Device() (variant string, number int, err error) {
	backend, digits, chosen := cmp.Or(m.Backend, DefaultEngine().Backend), "", false
	if at := strings.LastIndexByte(backend, ':'); at > len("xla") {
		backend, digits, chosen = backend[:at], backend[at+1:], true
	}
	variant, _ = strings.CutPrefix(backend, "xla:")
	switch number, err = strconv.Atoi(digits); {
	case !slices.Contains(backends, backend):
		return "", 0, fmt.Errorf("%q found; %s expected, or xla:cuda13:1 for the second GPU", m.Backend, oneOf(backends))
	case !chosen:
		return variant, -1, nil
	case variant == "cpu":
		return "", 0, fmt.Errorf("%q found; %s expected: the processor is one device", m.Backend, backend)
	case err != nil || number < 0 || digits != strconv.Itoa(number):
		return "", 0, fmt.Errorf("%q found; the number of a GPU expected behind %s:, 0 for the first", m.Backend, backend)
	}
	return variant, number, nil
}

func (m *Engine) declare(s *set) {
	s.section("Engine")
	s.boolean(&m.BF16, "bf16", "compute in bfloat16 over float32 weights where the device is fast at it; false computes in float32")
	backend := s.choice(&m.Backend, "backend", "device to compute on: the CPU, or an NVIDIA GPU by its CUDA version; xla:cuda13:1 is the second GPU, as nvidia-smi or CUDA_VISIBLE_DEVICES counts", backends...)
	backend.assign = func(v string) error {
		_, _, err := Engine{Backend: v}.Device()
		if err == nil {
			m.Backend = v
		}
		return err
	}
	s.choice(&m.OnLowMemory, "on_low_memory", "what to do when the model is predicted to need clearly more memory than is available (of the system, the control groups, the user's limits, or the GPU): stop before it is loaded, or warn and go on", "error", "warn")
	s.cpuOnly()
}

// cpuOnly declares transformers' way of asking for the CPU, by both names.
func (s *set) cpuOnly() {
	asked := false
	st := s.boolean(&asked, "use_cpu", "")
	st.hidden = true
	s.alias("use_cpu", "no_cuda")
	s.later = append(s.later, func() ([]string, error) {
		if backend := s.lookup("backend"); asked && backend.text() != "xla:cpu" {
			return nil, fmt.Errorf("%suse_cpu: true found with backend %s; one of them expected", st.where, backend.text())
		}
		return nil, nil
	})
}
