package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"gorqa/engine/nccl"
	"gorqa/engine/world"
	"gorqa/tensor/tape"
	"gorqa/tensor/train/schedule"
)

// MicroBatch is what one pass over the model takes.
type MicroBatch interface {
	// Loss gives f32 scalars, summed negative log-likelihoods.
	Loss(t *tape.Tape) ([]*tape.Value, error)
}

// MicroBatches are batches that a model's loss is taken of.
func MicroBatches[B any](loss func(*tape.Tape, B) ([]*tape.Value, error), batches []B) []MicroBatch {
	list := make([]MicroBatch, len(batches))
	for i, b := range batches {
		list[i] = modelBatch[B]{loss, b}
	}
	return list
}

type modelBatch[B any] struct {
	loss  func(*tape.Tape, B) ([]*tape.Value, error)
	batch B
}

func (m modelBatch[B]) Loss(t *tape.Tape) ([]*tape.Value, error) { return m.loss(t, m.batch) }

// Work is what one optimiser step is made of: the batches of this process, and figures
// of all processes.
type Work struct {
	Batches []MicroBatch
	Terms   int     // label tokens in all batches
	Tokens  int     // tokens of the rows, each row's counted in full
	Rows    []int   // indices of the rows, for messages
	Epoch   float64 // epochs done after this step
}

// Step is what a step did.
type Step struct {
	Number   int // counted from 1
	Epoch    float64
	Loss     float64 // mean negative log-likelihood per label token, in nats
	Rate     float64
	GradNorm float64 // before clipping
	Terms    int
	Tokens   int
	Rows     int
	Took     time.Duration
	Waited   time.Duration // of it, for gradients' sums over processes
	Summing  time.Duration // that these took, hidden behind the backward pass or not
	Sent     int64         // bytes to other processes
}

// Job is what a loop works for: it gives the rows of each step, is told what a step
// did, and scores and saves the weights where that is due.
type Job interface {
	// Work is that of a step counted from 1, the same at every call.
	Work(step int) (Work, error)
	// Done is told of each step.
	Done(Step) error
	// Evaluate gives the score that the best checkpoint is chosen by, the same in all
	// processes. It is called in each.
	Evaluate(ctx context.Context, step int) (score float64, err error)
	// Save writes the weights of the runner into an empty folder. Rank 0 alone calls it.
	Save(ctx context.Context, dir string) error
}

// Due says after which steps something is done. The zero value is never.
type Due struct {
	Every int  // steps, 0 for never
	Last  bool // after the last step, too
}

// At says whether it is done after a step, of so many.
func (d Due) At(step, steps int) bool {
	return d.Every > 0 && (step%d.Every == 0 || d.Last && step == steps)
}

// Loop trains the weights of a runner. The fields are set by the caller and
// not changed while Run works.
type Loop struct {
	Runner   *tape.Runner
	Job      Job
	Adam     Adam
	Schedule schedule.Schedule
	Seed     int64 // of dropout

	EvalAt, SaveAt Due
	Saves          Saves
	Made           Origin // of the run, kept in its checkpoints and compared with the one it goes on from
	Scores         bool   // the run compares scores with that one's best

	EarlyStop EarlyStop

	StopAfter int // a step of the schedule that the run ends with, 0 for the last

	World     *world.World // the processes that share each step; nil for this one alone
	GPUs      *nccl.Comm   // that exchange gradients among themselves; nil where these go by the host
	ZeroStage int          // of ZeRO: 1 divides the optimiser's state over them, 2 the gradients, too

	optimiser *Optimiser
	overlap   *overlap // sums gradients over processes; nil for one
	host      map[*tape.Param][]float32
	state     State
}

// NotFinite says that a step's loss or gradient is not a number. The weights
// are as they were before the step.
type NotFinite struct {
	Step           int
	Rows           []int
	Loss, GradNorm float64
}

func (e *NotFinite) Error() string {
	return fmt.Sprintf("step %d: loss %g, gradient norm %g; expected finite numbers; look at rows %v of the training file, or lower the learning rate", e.Step, e.Loss, e.GradNorm, e.Rows)
}

// Interrupted says that the run was asked to stop, and where it can go on.
type Interrupted struct {
	Step       int
	Checkpoint string
}

func (e *Interrupted) Error() string {
	return fmt.Sprintf("stopped after step %d; its checkpoint is %s", e.Step, e.Checkpoint)
}

// Run trains up to Schedule.Steps, from the checkpoint in resume where that is
// not empty. When ctx is cancelled it finishes the step, saves and returns an
// *Interrupted. What processes could see at different times, such as a signal, they
// decide together.
func (l *Loop) Run(ctx context.Context, resume string) error {
	if err := l.Schedule.Validate(); err != nil {
		return err
	}
	var err error
	if l.optimiser, err = newDivided(l.Adam, l.Runner, l.World, l.ZeroStage); err != nil {
		return err
	}
	defer func() { _ = l.optimiser.Free() }()
	l.overlap = l.newOverlap()
	defer l.overlap.close()
	if resume != "" {
		if err := l.load(ctx, resume); err != nil {
			return err
		}
	}
	for number := l.state.Step + 1; number <= l.Schedule.Steps; number++ {
		step, err := l.step(number)
		if err != nil {
			return err
		}
		l.state.Step, l.state.Epoch = number, step.Epoch
		if err := l.Job.Done(step); err != nil || number == l.StopAfter {
			return err
		}
		stop, err := l.World.Any(ctx.Err() != nil)
		if err != nil {
			return err
		}
		if !stop && l.EvalAt.At(number, l.Schedule.Steps) {
			if err := l.evaluate(ctx, number); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				return err
			}
			if stop, err = l.World.Any(ctx.Err() != nil); err != nil {
				return err
			}
		}
		if stop || l.SaveAt.At(number, l.Schedule.Steps) {
			// The checkpoint that a stop asks for is written all the same.
			dir, err := l.save(context.WithoutCancel(ctx))
			if err != nil {
				return err
			}
			if stop {
				return &Interrupted{Step: number, Checkpoint: dir}
			}
		}
		if l.EvalAt.At(number, l.Schedule.Steps) && l.EndsEarly() {
			break
		}
	}
	return l.optimiser.zero.giveLow() // for whoever saves the weights now
}

// Best is the step with the best score so far and its score; ok is false
// before the first evaluation.
func (l *Loop) Best() (step int, score float64, ok bool) {
	return l.state.BestStep, l.state.BestScore, l.state.BestStep > 0
}

// evaluate scores the weights.
func (l *Loop) evaluate(ctx context.Context, number int) error {
	score, err := l.Job.Evaluate(ctx, number)
	if err != nil {
		return err
	}
	l.take(number, score)
	return nil
}

// take remembers a step's score.
func (l *Loop) take(number int, score float64) {
	l.wait(score)
	if !finite(score) {
		return
	}
	better := score > l.state.BestScore
	if !l.Saves.Greater {
		better = score < l.state.BestScore
	}
	if l.state.BestStep == 0 || better {
		l.state.BestStep, l.state.BestScore = number, score
	}
}

// step does one optimiser step: gradients over its micro-batches, then the
// update.
func (l *Loop) step(number int) (Step, error) {
	start, sent := time.Now(), l.World.Sent()+l.GPUs.Sent()
	work, err := l.Job.Work(number)
	if err != nil {
		return Step{}, err
	}
	var sum float64
	// Other processes drop other values; those of rank 0 are as if it were alone.
	seeds := rand.NewPCG(uint64(l.Seed), uint64(number)|uint64(l.World.Rank())<<40)
	if err := l.optimiser.zero.expect(len(work.Batches)); err != nil {
		return Step{}, err
	}
	for i, b := range work.Batches {
		loss, err := l.gradients(b, seeds.Uint64(), i == len(work.Batches)-1)
		if err != nil {
			return Step{}, fmt.Errorf("step %d, rows %v: %w", number, work.Rows, err)
		}
		sum += loss
	}
	if err := l.sumGradients(); err != nil {
		return Step{}, err
	}
	if sum, err = l.World.Sum(sum); err != nil {
		return Step{}, err
	}
	norm, err := l.norm(work.Terms)
	if err := errors.Join(err, l.GPUs.Err()); err != nil {
		return Step{}, fmt.Errorf("step %d: %w", number, err)
	}
	loss := sum / float64(work.Terms)
	if !finite(loss) || !finite(norm) {
		return Step{}, &NotFinite{Step: number, Rows: work.Rows, Loss: loss, GradNorm: norm}
	}
	rate := l.Schedule.Rate(number - 1)
	if err := l.optimiser.Update(rate, norm, work.Terms); err != nil {
		return Step{}, fmt.Errorf("step %d: %w", number, err)
	}
	done := Step{
		Number: number, Epoch: work.Epoch, Loss: loss, Rate: rate, GradNorm: norm,
		Terms: work.Terms, Tokens: work.Tokens, Rows: len(work.Rows), Took: time.Since(start),
		Sent: l.World.Sent() + l.GPUs.Sent() - sent,
	}
	done.Waited, done.Summing = l.overlap.times()
	return done, nil
}

// norm is the global norm of the gradients divided by terms. Where processes sum up gradients
// each has the squares of its parts.
func (l *Loop) norm(terms int) (float64, error) {
	if l.overlap == nil {
		return l.optimiser.Norm(terms)
	}
	sum := 0.0
	for _, part := range l.overlap.squares {
		sum += part
	}
	sum, err := l.World.Sum(sum)
	return math.Sqrt(sum) / float64(terms), err
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// gradients adds a micro-batch's gradients to the sums and gives its summed
// loss. The last one's are summed over processes as they come, with ZeRO's stage 2 each
// one's; a device's, which are copied to the host, after them.
func (l *Loop) gradients(b MicroBatch, seed uint64, last bool) (loss float64, err error) {
	t := l.Runner.New(true)
	t.Seed = seed
	each := l.overlap != nil && l.optimiser.zero != nil && l.ZeroStage == 2
	if each || l.overlap != nil && last && l.Runner.Device.Native {
		t.Final = l.overlap.final
	}
	defer func() { err = errors.Join(err, t.Free()) }()
	losses, err := b.Loss(t)
	if err != nil {
		return 0, err
	}
	if err := t.Backward(losses...); err != nil {
		return 0, err
	}
	if each {
		if err := l.overlap.rest(); err != nil {
			return 0, err
		}
	}
	return tape.Sum(losses) // read last: a GPU is not waited for between the passes
}
