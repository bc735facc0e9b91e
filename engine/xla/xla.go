// Package xla opens the compute engine and runs graph functions on it: the
// backend and its plugin, transfers between host and device, and the only
// recover of the tensor side. Every exported function returns an error; graph
// functions built under Func may panic. It knows nothing of models or text.
package xla

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

	"gorqa/engine/cpu"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Engine runs compiled graphs on one device.
type Engine struct {
	backend compute.Backend
	onHost  bool
	plugin  string // its path
	mu      sync.Mutex
	helpers map[string]*Func
	once    sync.Map // of Once, by name

	diverted bool // the plugin compiles by gorqaCompile
	pieces   bool // and knows package cpu's pieces of layers
}

// Open loads a PJRT plugin, the file that wheel.Engine gives for a variant: "cpu",
// "cuda12" or "cuda13".
func Open(variant, plugin string) (*Engine, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(plugin); err != nil {
		return nil, fmt.Errorf("engine: %w; run `gorqa fetch engine`", err)
	}
	if _, err := cpu.ISAInUse(); err != nil {
		return nil, err
	}
	plugin, err := filepath.Abs(plugin)
	if err != nil {
		return nil, err
	}
	options := plugin // by path: go-xla reads its search path only when the program starts
	if variant == "cpu" {
		options += ",shared_buffers"
	} else {
		if err := setCUDA(plugin); err != nil {
			return nil, err
		}
		options += ",tf32=false" // f32 is what one asks for to be exact
	}
	var backend compute.Backend
	err = Catch(func() (err error) {
		backend, err = compute.NewWithConfig("xla:" + options)
		return err
	})
	if err != nil {
		if strings.Contains(err.Error(), "No visible GPU") {
			err = fmt.Errorf("%w; it needs an NVIDIA GPU and its driver (nvidia-smi shows both)", err)
		}
		return nil, fmt.Errorf("opening the %s engine %s: %w", variant, plugin, err)
	}
	e := &Engine{backend: backend, onHost: variant == "cpu", plugin: plugin, helpers: map[string]*Func{}}
	if e.diverted = divert(plugin); e.diverted {
		keepCompiled(plugin, backend.DeviceDescription(0))
		if e.onHost {
			e.pieces = offerCPU(plugin)
		}
	}
	if !e.onHost {
		runAhead(plugin)
	}
	return e, nil
}

// setCUDA says where CUDA's compiler finds its parts, if they came along with the
// plugin, and keeps go-xla from its own search.
func setCUDA(plugin string) error {
	toolkit := filepath.Join(filepath.Dir(filepath.Dir(plugin)), "nvidia", "cu13")
	flags := os.Getenv("XLA_FLAGS")
	var err error
	if _, missing := os.Stat(toolkit); missing == nil && !strings.Contains(flags, "--xla_gpu_cuda_data_dir") {
		err = os.Setenv("XLA_FLAGS", strings.TrimSpace(flags+" --xla_gpu_cuda_data_dir="+toolkit))
	}
	return errors.Join(err, os.Setenv("GOPJRT_CUDA_CHECKS", "no"))
}

// FastBF16 says whether the device multiplies bf16 matrices faster than f32:
// on a CPU only with AVX512-BF16 or AMX.
func (e *Engine) FastBF16() bool {
	return !e.onHost || cpu.HasGEMM()
}

// OnHost says whether the device computes in the host's memory, so that Memory
// gives what graphs read and write.
func (e *Engine) OnHost() bool { return e.onHost }

// Plugin is the path of the plugin.
func (e *Engine) Plugin() string { return e.plugin }

// Describe names the platform and its version, for logs and doctor.
func (e *Engine) Describe() string { return e.backend.Description() }

// Catch runs fn and turns a panic with an error into that error, so that none
// crosses a package border. A runtime error (nil dereference, index out of
// range) is a bug and goes on as a panic.
func Catch(fn func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			panic(r)
		case error:
			err = r
		default:
			err = fmt.Errorf("engine: %v", r)
		}
	}()
	return fn()
}

// Func is a graph function, compiled once per combination of input shapes.
// Call is not safe for concurrent use.
type Func struct {
	engine *Engine
	name   string
	exec   *graph.Exec
	bug    error // a runtime error met while building, which Exec would swallow
}

// Func makes a function of a graph builder. build may panic; it runs at the
// first call with new input shapes.
func (e *Engine) Func(name string, build func(in []*graph.Node) []*graph.Node) (*Func, error) {
	f := &Func{engine: e, name: name}
	err := Catch(func() (err error) {
		f.exec, err = graph.NewExec(e.backend, func(in []*graph.Node) []*graph.Node {
			defer func() {
				r := recover()
				if bug, ok := r.(runtime.Error); ok {
					f.bug = fmt.Errorf("%w\n%s", bug, debug.Stack())
				}
				if r != nil {
					panic(r)
				}
			}()
			if len(in) > 0 && e.pieces {
				in[0].Graph().AttachState(piecesKey{}, true)
			}
			return build(in)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f.exec.WithName(name).SetMaxCache(-1)
	return f, nil
}

// Call runs the function. The outputs belong to the caller, who frees them
// with Free; the inputs stay as they are.
func (f *Func) Call(in ...*tensors.Tensor) ([]*tensors.Tensor, error) {
	var out []*tensors.Tensor
	err := Catch(func() (err error) {
		out, err = f.exec.Call(in)
		return err
	})
	if f.bug != nil {
		panic(f.bug)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return out, nil
}

// Shared returns the function of that name, made at the first request: small
// graphs (sums, conversions) that several owners use.
func (e *Engine) Shared(name string, build func(in []*graph.Node) []*graph.Node) (*Func, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f, ok := e.helpers[name]; ok {
		return f, nil
	}
	f, err := e.Func(name, build)
	if err == nil {
		e.helpers[name] = f
	}
	return f, err
}

// Once gives what a check of that name gave when it was first asked for.
func (e *Engine) Once(name string, check func() error) error {
	first, _ := e.once.LoadOrStore(name, sync.OnceValue(check))
	return first.(func() error)()
}

// Free releases tensors at once instead of at the next garbage collection.
// Nil and freed tensors are ignored.
func Free(ts ...*tensors.Tensor) error {
	var errs []error
	for _, t := range ts {
		if t != nil && t.Ok() {
			errs = append(errs, t.FinalizeAll())
		}
	}
	return errors.Join(errs...)
}

// Number is what crosses between host and device.
type Number interface {
	float32 | int32 | int16 | int8 | uint8 | bool | bfloat16.BFloat16
}

// FromHost copies flat host values to the device under the given dimensions.
func FromHost[T Number](e *Engine, flat []T, dims ...int) (*tensors.Tensor, error) {
	return Fill(e, func(to []T) error {
		if len(to) != len(flat) {
			return fmt.Errorf("engine: %d values for dimensions %v", len(flat), dims)
		}
		copy(to, flat)
		return nil
	}, dims...)
}

// Fill makes a tensor of the values that fn sets, zeros before.
func Fill[T Number](e *Engine, fn func(flat []T) error, dims ...int) (t *tensors.Tensor, err error) {
	err = Catch(func() (err error) {
		if t, err = tensors.FromShapeForBackend(e.backend, 0, shapes.Make(dtypes.FromGenericsType[T](), dims...)); err != nil {
			return err
		}
		var inner error
		err = t.MutableFlatData(func(data any) { inner = fn(data.([]T)) })
		return errors.Join(err, inner)
	})
	if err != nil {
		return nil, errors.Join(err, Free(t))
	}
	return t, nil
}

// ToHost copies a tensor's values to the host.
func ToHost[T Number](t *tensors.Tensor) ([]T, error) {
	out := make([]T, t.Size())
	err := View(t, func(flat []T) error {
		copy(out, flat)
		return nil
	})
	return out, err
}

// View gives fn the tensor's values, which it must not change or keep.
func View[T Number](t *tensors.Tensor, fn func(flat []T) error) error {
	var inner error
	err := Catch(func() error {
		return t.ConstFlatData(func(data any) {
			flat, ok := data.([]T)
			if !ok {
				inner = fmt.Errorf("engine: tensor of %s read as %T", t.Shape(), flat)
				return
			}
			inner = fn(flat)
		})
	})
	return errors.Join(err, inner)
}

// Bytes gives fn the memory of the tensor's values, which it must not change or keep.
func Bytes(t *tensors.Tensor, fn func(data []byte) error) error {
	var inner error
	err := Catch(func() error { return t.ConstBytes(func(data []byte) { inner = fn(data) }) })
	return errors.Join(err, inner)
}

// New makes a tensor, on a device that computes OnHost, whose values are yet to be set
// through Memory.
func New[T Number](e *Engine, dims ...int) (t *tensors.Tensor, err error) {
	err = Catch(func() error {
		// tensors' own function would set them to zero.
		buffer, _, err := e.backend.NewSharedBuffer(0, shapes.Make(dtypes.FromGenericsType[T](), dims...))
		if err == nil {
			t, err = tensors.FromBuffer(buffer)
		}
		return err
	})
	return t, err
}

// Memory is the memory of a tensor itself, on a device that computes OnHost. It is
// gone when the tensor is freed, and is set only by who owns the tensor.
func Memory[T Number](t *tensors.Tensor) (flat []T, err error) {
	err = View(t, func(data []T) error {
		flat = data
		return nil
	})
	return flat, err
}
