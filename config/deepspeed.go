package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"gorqa/files/modelfile"
)

// deepSpeed declares --deepspeed for a command that trains: the settings file of
// DeepSpeed, as transformers takes it (a path, or the JSON itself). What it asks
// for is taken over where a setting of gorqa says the same and was not given.
func (s *set) deepSpeed() {
	path := ""
	st := s.add(&setting{
		name: "deepspeed", metavar: "FILE", kind: single, nested: true, hidden: true,
		assign: func(v string) error { path = v; return nil },
		value:  func() any { return nil },
		text:   func() string { return path },
	})
	s.later = append(s.later, func() ([]string, error) {
		if asksForNothing([]string{path}) {
			return nil, nil
		}
		name, data := path, []byte(path)
		if strings.HasPrefix(strings.TrimSpace(path), "{") {
			name = "deepspeed"
		} else {
			var err error
			if data, err = modelfile.Read(path, maxFile); err != nil {
				return nil, fmt.Errorf("%sdeepspeed: %w; a JSON file of DeepSpeed's settings expected, or leave the flag out", st.where, err)
			}
		}
		d, err := readDeepSpeed(name, data)
		if err != nil {
			return nil, err
		}
		said, problems := d.apply(s)
		if len(problems) > 0 {
			return nil, errors.Join(problems...)
		}
		return []string{name + ": " + strings.Join(said, "; ") + " (nothing is offloaded, and sharded over the processes that mpirun or srun start alone)"}, nil
	})
}

// deepSpeedFile is a file of DeepSpeed's settings.
type deepSpeedFile struct {
	name   string
	fields map[string]any
}

func readDeepSpeed(name string, data []byte) (*deepSpeedFile, error) {
	d := &deepSpeedFile{name: name}
	if err := modelfile.JSON(name, data, &d.fields); err != nil {
		return nil, err
	}
	if d.fields == nil {
		return nil, fmt.Errorf("%s:1: null found; an object of DeepSpeed's settings expected", name)
	}
	return d, nil
}

// at finds a value by its path, such as "zero_optimization.stage"; nil where it
// is missing, null or "auto".
func (d *deepSpeedFile) at(path string) any {
	var v any = d.fields
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	if v == "auto" {
		return nil
	}
	return v
}

// deepSpeedNames are DeepSpeed's settings that a setting of gorqa has too.
var deepSpeedNames = []struct{ theirs, ours string }{
	{"train_micro_batch_size_per_gpu", "per_device_train_batch_size"},
	{"gradient_accumulation_steps", "gradient_accumulation_steps"},
	{"gradient_clipping", "max_grad_norm"},
	{"bf16.enabled", "bf16"},
	{"bfloat16.enabled", "bf16"},
	{"optimizer.params.lr", "learning_rate"},
	{"optimizer.params.eps", "adam_epsilon"},
	{"optimizer.params.weight_decay", "weight_decay"},
	{"scheduler.params.warmup_max_lr", "learning_rate"},
	{"scheduler.params.warmup_num_steps", "warmup_steps"},
	{"scheduler.params.total_num_steps", "max_steps"},
}

// deepSpeedSchedules are its schedulers as kinds of lr_scheduler_type.
var deepSpeedSchedules = map[string]string{"WarmupLR": "constant_with_warmup", "WarmupDecayLR": "linear", "WarmupCosineLR": "cosine"}

// deepSpeedTraining are sections that would change what is learnt.
var deepSpeedTraining = []string{"amp", "compression_training", "curriculum_learning", "data_efficiency", "progressive_layer_drop", "quantize_training", "sparse_attention"}

// deepSpeedRest are sections that change nothing here.
var deepSpeedRest = []string{
	"activation_checkpointing", "aio", "autotuning", "comms_logger", "communication_data_type", "csv_monitor", "data_types", "dump_state", "elasticity",
	"flops_profiler", "gradient_predivide_factor", "memory_breakdown", "prescale_gradients", "sparse_gradients", "steps_per_print",
	"tensorboard", "wandb", "wall_clock_breakdown", "zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer",
}

// apply takes over what the file asks for, and says it.
func (d *deepSpeedFile) apply(s *set) (said []string, problems []error) {
	a := &deepSpeedApplied{deepSpeedFile: d, set: s}
	a.numbers()
	a.betas()
	a.batch()
	if on, _ := d.at("fp16.enabled").(bool); on {
		a.bad("fp16.enabled: true found; gorqa does not compute in float16, which needs loss scaling: write \"auto\" and use --bf16 true")
	}
	a.said = a.sharding()
	a.optimizer()
	a.scheduler()
	if len(a.taken) > 0 {
		a.say("taken over: %s", strings.Join(a.taken, ", "))
	} else {
		a.say("all else as the flags say")
	}
	a.rest()
	return a.said, a.problems
}

// deepSpeedApplied is a file that is being taken over by a command's settings.
type deepSpeedApplied struct {
	*deepSpeedFile
	set      *set
	taken    []string // settings that are as the file says
	said     []string
	problems []error
}

func (a *deepSpeedApplied) bad(format string, args ...any) {
	a.problems = append(a.problems, fmt.Errorf("%s: "+format, append([]any{a.name}, args...)...))
}

func (a *deepSpeedApplied) say(format string, args ...any) {
	a.said = append(a.said, fmt.Sprintf(format, args...))
}

// take assigns unless the setting was given: then both must say the same.
func (a *deepSpeedApplied) take(theirs, ours, value string) {
	st := a.set.lookup(ours)
	before := st.text()
	if err := st.Set(value); err != nil {
		a.bad("%s: %v", theirs, err)
		return
	}
	if after := st.text(); st.set && after != before {
		a.bad("%s: %s found with --%s %s; the same expected, or \"auto\" in the file", theirs, value, ours, before)
	} else if !st.set {
		a.taken = append(a.taken, ours+" "+after)
	}
}

func (a *deepSpeedApplied) numbers() {
	for _, n := range deepSpeedNames {
		switch v := a.at(n.theirs).(type) {
		case nil:
		case bool:
			a.take(n.theirs, n.ours, strconv.FormatBool(v))
		case float64:
			a.take(n.theirs, n.ours, strconv.FormatFloat(v, 'f', -1, 64))
		default:
			a.bad("%s: %v found; a number or \"auto\" expected", n.theirs, v)
		}
	}
}

func (a *deepSpeedApplied) betas() {
	betas, ok := a.at("optimizer.params.betas").([]any)
	if !ok {
		return
	}
	for i, name := range []string{"adam_beta1", "adam_beta2"} {
		x, ok := at(betas, i).(float64)
		if !ok || len(betas) != 2 {
			a.bad("optimizer.params.betas: %v found; two numbers or \"auto\" expected", betas)
			return
		}
		a.take("optimizer.params.betas", name, strconv.FormatFloat(x, 'f', -1, 64))
	}
}

// batch makes a step of as many rows as there. Over several devices there; here
// all rows of a step come in turn.
func (a *deepSpeedApplied) batch() {
	rows, ok := a.at("train_batch_size").(float64)
	if !ok {
		return
	}
	micro, _ := strconv.ParseFloat(a.set.lookup("per_device_train_batch_size").text(), 64)
	passes := a.set.lookup("gradient_accumulation_steps")
	count, _ := strconv.ParseFloat(passes.text(), 64)
	switch {
	case rows == micro*count:
	case micro > 0 && rows >= micro && math.Mod(rows, micro) == 0:
		was := ""
		if passes.set || a.at("gradient_accumulation_steps") != nil {
			was = fmt.Sprintf(" (%v there, on %v devices)", count, rows/(micro*count))
		}
		if err := passes.Set(strconv.FormatFloat(rows/micro, 'f', -1, 64)); err != nil {
			a.bad("train_batch_size: %v", err)
		}
		a.taken = append(a.taken, "gradient_accumulation_steps "+passes.text()+was)
	default:
		a.bad("train_batch_size: %v found with --per_device_train_batch_size %v; a multiple of it expected", rows, micro)
	}
}

func (a *deepSpeedApplied) optimizer() {
	kind, ok := a.at("optimizer.type").(string)
	if !ok {
		return
	}
	adamW, given := a.at("optimizer.params.adam_w_mode").(bool)
	switch {
	case strings.EqualFold(kind, "adamw"), strings.EqualFold(kind, "adam") && (adamW || !given):
		a.say("AdamW")
	default:
		a.bad("optimizer.type: %q found; AdamW expected, gorqa's optimiser", kind)
	}
}

func (a *deepSpeedApplied) scheduler() {
	kind, ok := a.at("scheduler.type").(string)
	if !ok {
		return
	}
	ours, known := deepSpeedSchedules[kind]
	st := a.set.lookup("lr_scheduler_type")
	switch {
	case !known:
		a.bad("scheduler.type: %q found; %s expected, or no scheduler in the file and --lr_scheduler_type", kind, oneOf(slices.Sorted(maps.Keys(deepSpeedSchedules))))
	case st.set && st.text() != ours:
		a.say("--lr_scheduler_type %s in the place of its scheduler %s", st.text(), kind)
	default:
		if err := st.Set(ours); err != nil {
			a.bad("scheduler.type: %v", err)
		}
		warm := ""
		if a.at("scheduler.params.warmup_type") != "linear" {
			warm = ", with a warm-up in a line where DeepSpeed's is logarithmic"
		}
		a.say("its scheduler %s as --lr_scheduler_type %s%s", kind, ours, warm)
	}
	if lowest, _ := a.at("scheduler.params.warmup_min_lr").(float64); lowest != 0 {
		a.say("the warm-up begins at 0, not at %v", lowest)
	}
}

// rest looks at the sections that nothing else reads.
func (a *deepSpeedApplied) rest() {
	known := []string{"train_batch_size", "zero_optimization", "fp16", "optimizer", "scheduler"}
	for _, n := range deepSpeedNames {
		section, _, _ := strings.Cut(n.theirs, ".")
		known = append(known, section)
	}
	var unknown []string
	for _, name := range slices.Sorted(maps.Keys(a.fields)) {
		section, _ := a.fields[name].(map[string]any)
		on, given := section["enabled"].(bool)
		switch {
		case slices.Contains(deepSpeedTraining, name) && (on || !given) && len(section) > 0:
			a.bad("%s: found, which would change what is learnt; gorqa does not have it: take it out", name)
		case !slices.Contains(known, name) && !slices.Contains(deepSpeedRest, name) && !slices.Contains(deepSpeedTraining, name):
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		a.say("ignored, since gorqa does not know it: %s", strings.Join(unknown, ", "))
	}
}

// sharding takes over what the file spreads over devices: stage 3 as stage 2, which divides
// the most that there is.
func (a *deepSpeedApplied) sharding() []string {
	stage, ok := a.at("zero_optimization.stage").(float64)
	if !ok {
		return nil
	}
	if st := a.set.lookup("zero_stage"); !st.set { // a flag wins: not every device can
		if err := st.Set(strconv.FormatFloat(min(stage, 2), 'f', -1, 64)); err != nil {
			a.bad("zero_optimization.stage: %v", err)
		}
	}
	said := fmt.Sprintf("ZeRO stage %v", stage)
	for _, x := range []struct{ path, what string }{{"zero_optimization.offload_optimizer", "the optimiser"}, {"zero_optimization.offload_param", "the weights"}} {
		if device, _ := a.at(x.path + ".device").(string); device != "" && device != "none" {
			said += fmt.Sprintf(", %s offloaded to %s", x.what, device)
		}
	}
	return []string{said}
}

// at is element i, or nil.
func at(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return nil
}
