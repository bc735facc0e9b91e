// Package postgres keeps documents and their vectors in a PostgreSQL database with pgvector, and
// finds them there: exactly, as an index in files does to the last bit of a score, or by HNSW
// (arXiv 1603.09320). [Index] is a retrieve.Retriever.
//
// It must not know models, prompts or the tensor engine, as package retrieve does not.
package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gorqa/files/redact"
	"gorqa/text/retrieve"
)

// Kind says how a database is searched.
type Kind int

const (
	ExactSearch Kind = iota // every vector is compared
	HNSW                    // by a graph of neighbours, which misses some
)

// Options are the settings of [Open].
type Options struct {
	Address string // postgres://…; what it does not say comes from PGUSER, PGPASSWORD, ~/.pgpass and so on
	Table   string // the tables are called after it; a schema may stand before it and a dot
	Kind    Kind
	Timeout time.Duration // of a query
	Bulk    time.Duration // of what writes documents, and makes indexes
	Index   retrieve.Options
}

// DefaultOptions searches exactly, in tables called gorqa_….
func DefaultOptions() Options {
	return Options{Table: "gorqa", Timeout: time.Minute, Bulk: time.Hour, Index: retrieve.DefaultOptions()}
}

// longestName is PostgreSQL's; what is longer would be cut off without an error.
const longestName = 63

// Is says whether an index path is the address of a database.
func Is(path string) bool {
	return strings.HasPrefix(path, "postgres://") || strings.HasPrefix(path, "postgresql://")
}

// CheckAddress refuses what cannot be an address, and secrets that messages might show.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%s: no address of a database; postgres://HOST/DATABASE expected", redact.Text(address))
	}
	for name := range u.Query() {
		if strings.Contains(strings.ToLower(name), "password") {
			return fmt.Errorf("%s: %s found in an address, where it would be shown; put it into the environment (PGPASSWORD) or into ~/.pgpass", redact.Address(address), name)
		}
	}
	return nil
}

// Validate reports settings that cannot be used.
func (o Options) Validate() error {
	errs := []error{o.Index.Validate(), CheckAddress(o.Address)}
	if o.Kind != ExactSearch && o.Kind != HNSW {
		errs = append(errs, fmt.Errorf("postgres: the kind of index is %d; ExactSearch or HNSW expected", o.Kind))
	}
	_, name := o.name()
	if name == "" || strings.ContainsRune(o.Table, 0) || len(name)+len("_hnsw_euclidean") > longestName {
		errs = append(errs, fmt.Errorf("postgres: the table is called %q; a name of 1 to %d bytes expected, with its schema and a dot before it or without", o.Table, longestName-len("_hnsw_euclidean")))
	}
	if o.Timeout <= 0 || o.Bulk <= 0 {
		errs = append(errs, errors.New("postgres: a timeout of 0; more expected"))
	}
	return errors.Join(errs...)
}

// name takes the schema from the table.
func (o Options) name() (schema, name string) {
	if schema, name, found := strings.Cut(o.Table, "."); found {
		return schema, name
	}
	return "", o.Table
}

// table is the quoted name of one of the tables.
func (o Options) table(which string) string {
	schema, name := o.name()
	if schema == "" {
		return pgx.Identifier{name + which}.Sanitize()
	}
	return pgx.Identifier{schema, name + which}.Sanitize()
}

// lockKey is of the advisory lock that the one who writes has.
func (o Options) lockKey() int64 {
	sum := sha256.Sum256([]byte("gorqa " + o.Table))
	return int64(binary.LittleEndian.Uint64(sum[:8]))
}

// database is a connection, or several, with what is said of errors.
type database struct {
	pool *pgxpool.Pool
	opt  Options
	show string // the address as it may be shown
}

func connect(ctx context.Context, opt Options) (*database, error) {
	d := &database{opt: opt, show: redact.Address(opt.Address)}
	c, err := pgxpool.ParseConfig(strings.Replace(opt.Address, "://"+redact.Hidden+"@", "://", 1)) // of a run's settings
	if err != nil {
		return nil, d.error("reading the address", err)
	}
	if c.ConnConfig.ConnectTimeout == 0 {
		c.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	c.MaxConns = 4
	c.ConnConfig.RuntimeParams["application_name"] = "gorqa"
	if d.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return nil, d.error("connecting", err)
	}
	return d, nil
}

// error says where and at what something went wrong.
func (d *database) error(what string, err error) error {
	var answered *pgconn.PgError
	do := "is the server there, and does it know the user (PGUSER, PGPASSWORD or ~/.pgpass)?"
	switch {
	case errors.As(err, new(*refusal)):
		do = ""
	case errors.As(err, &answered):
		do = ""
		if answered.Hint != "" {
			do = answered.Hint
		}
	case errors.Is(err, context.DeadlineExceeded):
		do = "the server did not answer in time"
	case errors.Is(err, context.Canceled):
		do = ""
	}
	if do != "" {
		do = "; " + do
	}
	return &failure{fmt.Sprintf("%s: %s: %s%s", d.show, what, redact.Text(err.Error(), redact.InAddress(d.opt.Address)...), do), err}
}

// failure is an error whose text holds no secrets.
type failure struct {
	text string
	of   error
}

func (e *failure) Error() string { return e.text }
func (e *failure) Unwrap() error { return e.of }

// tries is how often a transaction is begun whose connection is lost.
const tries = 4

// do runs a transaction, again where its connection is lost: what is done in one can be done twice.
func (d *database) do(ctx context.Context, timeout time.Duration, what string, work func(context.Context, pgx.Tx) error) error {
	for try := 1; ; try++ {
		within, cancel := context.WithTimeout(ctx, timeout)
		err := pgx.BeginFunc(within, d.pool, func(tx pgx.Tx) error { return work(within, tx) })
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || try == tries || !lost(err) {
			return d.error(what, err)
		}
		select {
		case <-ctx.Done():
			return d.error(what, ctx.Err())
		case <-time.After(100 * time.Millisecond << try):
		}
	}
}

// lost says whether an error is of the connection, not of what was asked.
func lost(err error) bool {
	var answered *pgconn.PgError
	if errors.As(err, &answered) {
		return strings.HasPrefix(answered.Code, "08") || strings.HasPrefix(answered.Code, "57P0") // shut down, or not up yet
	}
	var own *refusal
	return !errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &own)
}

// refusal is an error of what the database holds.
type refusal struct{ error }

func refuse(format string, args ...any) error { return &refusal{fmt.Errorf(format, args...)} }

// operator is pgvector's of a metric, class that of its index.
func operator(m retrieve.Metric) (sign, class string) {
	switch m {
	case retrieve.Dot:
		return "<#>", "vector_ip_ops"
	case retrieve.Euclidean:
		return "<->", "vector_l2_ops"
	case retrieve.Manhattan:
		return "<+>", "vector_l1_ops"
	}
	return "<=>", "vector_cosine_ops"
}
