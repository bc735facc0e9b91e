package config

import "time"

// Processes say how a run goes on several processes, which mpirun or srun start.
type Processes struct {
	DDPTimeout  float64 // seconds that processes wait for one that is alive
	LogAllRanks bool    // each has its log
	ZeroStage   int     // of ZeRO
}

// DefaultProcesses is transformers'.
func DefaultProcesses() Processes { return Processes{DDPTimeout: 1800} }

func (m *Processes) declare(s *set) {
	s.section("Several processes (mpirun, srun)")
	s.number(&m.DDPTimeout, "ddp_timeout", "seconds that processes wait for one that is alive but does not come, before all end; one that died is noticed at once")
	s.integer(&m.ZeroStage, "zero_stage", "what ZeRO divides over the processes: 0 nothing, 1 the optimiser's moments and what bf16 weights lack of f32, 2 the gradients, too; on the CPU")
	s.boolean(&m.LogAllRanks, "log_all_ranks", "the processes beside the first one write their logs too, in the folders rank-1, rank-2, … of output_dir")
}

func (m *Processes) check(p *problems) {
	p.that(m.ZeroStage != 3, "zero_stage: 3 found; at most 2 expected: with 3 each process would have a part of the weights alone and fetch every layer twice in a step; --load_in_4bit true with --use_peft true makes them smaller")
	p.that(m.ZeroStage == 3 || m.ZeroStage >= 0 && m.ZeroStage <= 2, "zero_stage: %d found; 0, 1 or 2 expected", m.ZeroStage)
	p.that(m.DDPTimeout > 0 && m.DDPTimeout <= 1e8, "ddp_timeout: %v found; more than 0 and at most 100000000 seconds expected", m.DDPTimeout)
}

// Wait is how long processes wait for one another.
func (m *Processes) Wait() time.Duration { return seconds(m.DDPTimeout) }
