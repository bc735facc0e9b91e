package serve

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are what Prometheus is told, names as its conventions have them.
type metrics struct {
	registry        *prometheus.Registry
	requests        *prometheus.CounterVec // by path and status
	prompt, written prometheus.Counter     // tokens
	seconds, first  prometheus.Histogram   // of whole answers; to their first token
	running         prometheus.Gauge
}

func newMetrics(q *queue) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gorqa_requests_total", Help: "Requests, by path and status."}, []string{"path", "status"}),
		prompt:   prometheus.NewCounter(prometheus.CounterOpts{Name: "gorqa_prompt_tokens_total", Help: "Tokens of prompts."}),
		written:  prometheus.NewCounter(prometheus.CounterOpts{Name: "gorqa_generated_tokens_total", Help: "Tokens of answers."}),
		seconds:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gorqa_answer_seconds", Help: "From a question to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 12)}),
		first:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "gorqa_first_token_seconds", Help: "From a question to the first token of its answer.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12)}),
		running:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "gorqa_answers_running", Help: "Answers under way."}),
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gorqa_requests_waiting", Help: "Requests that wait for their turn."}, func() float64 { return float64(q.len()) })
	m.registry.MustRegister(m.requests, m.prompt, m.written, m.seconds, m.first, m.running, waiting,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}
