package config

import "fmt"

// Engine says what models are computed with.
type Engine struct {
	BF16        bool   // compute in bfloat16; weights and moments stay float32
	Backend     string // "xla:cpu", "xla:cuda12" or "xla:cuda13"
	OnLowMemory string // "error" or "warn"
}

// DefaultEngine computes in bfloat16. (TrainingArguments' default is float32;
// LocalRQA's examples all turn bfloat16 on, and it is the faster and smaller
// of the two on every device the engine reaches well.)
func DefaultEngine() Engine { return Engine{BF16: true, Backend: "xla:cpu", OnLowMemory: "error"} }

func (m *Engine) declare(s *set) {
	s.section("Engine")
	s.boolean(&m.BF16, "bf16", "compute in bfloat16 over float32 weights where the device is fast at it; false computes in float32")
	s.choice(&m.Backend, "backend", "device to compute on: the CPU, or an NVIDIA GPU by its CUDA version", "xla:cpu", "xla:cuda12", "xla:cuda13")
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
