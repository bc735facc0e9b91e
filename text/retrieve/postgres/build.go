package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"gorqa/text/dataset"
	"gorqa/text/retrieve"
)

// Index is documents and vectors in a database. It is safe for concurrent use if its embedder is.
type Index struct {
	*database
	embedder retrieve.Embedder
	width, n int
	longest  float64 // the length of the longest vector
	stats    retrieve.BuildStats
}

// Open returns the index over docs, of which the database is brought up to date: only texts that
// it lacks are embedded, each chunk kept as it is made. Without docs it is over those that the
// database holds. One process at a time writes; others wait for it.
func Open(ctx context.Context, docs []dataset.Document, e retrieve.Embedder, opt Options) (_ *Index, err error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	d, err := connect(ctx, opt)
	if err != nil {
		return nil, err
	}
	x := &Index{database: d, embedder: e}
	defer func() {
		if err != nil {
			d.pool.Close()
		}
	}()
	if docs != nil {
		if err := x.update(ctx, docs); err != nil {
			return nil, err
		}
	} else if err := x.look(ctx); err != nil {
		return nil, err
	}
	if opt.Kind == HNSW {
		return x, x.connectNeighbours(ctx)
	}
	return x, nil
}

// Close gives the connections back.
func (x *Index) Close() { x.pool.Close() }

// Width returns the length of the vectors.
func (x *Index) Width() int { return x.width }

// Stats tells where the vectors came from.
func (x *Index) Stats() retrieve.BuildStats { return x.stats }

// about is what a database says of its documents.
type about struct {
	embedder string
	width, n int
	digest   []byte
}

// read reads it and checks it; nil where there is none.
func (x *Index) read(ctx context.Context, tx pgx.Tx) (*about, error) {
	var there bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", x.opt.table("_about")).Scan(&there); err != nil || !there {
		return nil, err
	}
	var a about
	err := tx.QueryRow(ctx, "SELECT embedder, width, documents, digest FROM "+x.opt.table("_about")).Scan(&a.embedder, &a.width, &a.n, &a.digest)
	switch w := x.embedder.Width(); {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case a.embedder != x.embedder.Name():
		return nil, refuse("the tables of %s hold vectors of embedder %q; expected %q; choose other tables (index_table), or drop these", x.opt.Table, a.embedder, x.embedder.Name())
	case w != 0 && a.width != w:
		return nil, refuse("the tables of %s hold vectors of %d numbers; expected %d, the width of embedder %q; choose other tables (index_table), or drop these", x.opt.Table, a.width, w, a.embedder)
	}
	return &a, nil
}

// look opens what the database holds.
func (x *Index) look(ctx context.Context) error {
	return x.do(ctx, x.opt.Timeout, "opening the index", func(ctx context.Context, tx pgx.Tx) error {
		a, err := x.read(ctx, tx)
		if err != nil {
			return err
		}
		if a == nil || a.n == 0 {
			return refuse("no documents found in the tables of %s; an index expected as gorqa index makes it; give the documents (full_dataset_file_path)", x.opt.Table)
		}
		x.width, x.n = a.width, a.n
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+x.opt.table("_vectors")).Scan(&x.stats.Cached); err != nil {
			return err
		}
		return x.measure(ctx, tx)
	})
}

// measure finds the longest vector.
func (x *Index) measure(ctx context.Context, tx pgx.Tx) error {
	return tx.QueryRow(ctx, "SELECT coalesce(max(length), 0)::float8 FROM "+x.opt.table("_vectors")).Scan(&x.longest)
}

// update brings the database up to date.
func (x *Index) update(ctx context.Context, docs []dataset.Document) error {
	unlock, err := x.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var a *about
	have := map[[sha256.Size]byte]bool{}
	err = x.do(ctx, x.opt.Bulk, "looking at what is there", func(ctx context.Context, tx pgx.Tx) (err error) {
		if err := extension(ctx, tx); err != nil {
			return err
		}
		if a, err = x.read(ctx, tx); err != nil || a == nil {
			return err
		}
		rows, err := tx.Query(ctx, "SELECT hash FROM "+x.opt.table("_vectors"))
		if err != nil {
			return err
		}
		var hash []byte
		_, err = pgx.ForEachRow(rows, []any{&hash}, func() error {
			have[[sha256.Size]byte(hash)] = true
			return nil
		})
		return err
	})
	if err != nil {
		return err
	}
	if a == nil {
		a = &about{}
	}
	x.width = a.width
	var texts []string
	hashes := make([][sha256.Size]byte, len(docs))
	seen := map[[sha256.Size]byte]bool{}
	for i, d := range docs {
		text := d.Text()
		hashes[i] = sha256.Sum256([]byte(text))
		switch {
		case seen[hashes[i]]:
		case have[hashes[i]]:
			x.stats.Cached++
		default:
			texts = append(texts, text)
		}
		seen[hashes[i]] = true
	}
	x.stats.Embedded = len(texts)
	if err := retrieve.EmbedChunks(ctx, x.embedder, texts, x.opt.Index, func(first int, vectors [][]float32) error {
		return x.add(ctx, texts[first:first+len(vectors)], vectors)
	}); err != nil {
		return err
	}
	return x.write(ctx, docs, hashes, a)
}

// extension makes sure of pgvector.
func extension(ctx context.Context, tx pgx.Tx) error {
	var there, known bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'vector'), EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')").Scan(&there, &known)
	if err != nil || there {
		return err
	}
	if !known {
		return refuse("this server has no pgvector; expected the extension vector; install it (https://github.com/pgvector/pgvector)")
	}
	_, err = tx.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS vector")
	return err
}

// lock makes this process the one that writes, and waits for others.
func (x *Index) lock(ctx context.Context) (unlock func(), err error) {
	conn, err := x.pool.Acquire(ctx)
	if err != nil {
		return nil, x.error("connecting", err)
	}
	for first := true; ; first = false {
		var got bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", x.opt.lockKey()).Scan(&got); err != nil {
			conn.Release()
			return nil, x.error("waiting for whoever writes", err)
		}
		if got {
			return func() {
				_ = conn.Conn().Close(context.WithoutCancel(ctx)) // which ends the lock
				conn.Release()
			}, nil
		}
		if first && x.opt.Index.Waiting != nil {
			x.opt.Index.Waiting()
		}
		select {
		case <-ctx.Done():
			conn.Release()
			return nil, x.error("waiting for whoever writes", ctx.Err())
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// create makes the tables.
func (x *Index) create(ctx context.Context, tx pgx.Tx) error {
	for _, s := range []string{
		"CREATE TABLE IF NOT EXISTS %[1]s (single boolean PRIMARY KEY DEFAULT true CHECK (single), embedder text NOT NULL, width int NOT NULL, documents int NOT NULL, digest bytea NOT NULL)",
		"CREATE TABLE IF NOT EXISTS %[2]s (hash bytea PRIMARY KEY, embedding vector(%[4]d) NOT NULL, length real NOT NULL)",
		"CREATE TABLE IF NOT EXISTS %[3]s (place int PRIMARY KEY, hash bytea NOT NULL, document json NOT NULL)",
	} {
		if _, err := tx.Exec(ctx, fmt.Sprintf(s, x.opt.table("_about"), x.opt.table("_vectors"), x.opt.table("_documents"), x.width)); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, "INSERT INTO "+x.opt.table("_about")+" (embedder, width, documents, digest) VALUES ($1, $2, 0, '') ON CONFLICT DO NOTHING", x.embedder.Name(), x.width)
	return err
}

// add keeps the vectors of texts.
func (x *Index) add(ctx context.Context, texts []string, vectors [][]float32) error {
	if x.width != 0 && len(vectors[0]) != x.width {
		return fmt.Errorf("%s: the tables of %s hold vectors of %d numbers; expected %d, the width of embedder %q", x.show, x.opt.Table, x.width, len(vectors[0]), x.embedder.Name())
	}
	x.width = len(vectors[0])
	rows := make([][]any, len(texts))
	for i, text := range texts {
		var squares float64
		for _, v := range vectors[i] {
			squares += float64(v) * float64(v)
		}
		hash := sha256.Sum256([]byte(text))
		rows[i] = []any{hash[:], vectors[i], float32(math.Sqrt(squares))}
	}
	return x.do(ctx, x.opt.Bulk, "adding vectors", func(ctx context.Context, tx pgx.Tx) error {
		if err := x.create(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "CREATE TEMP TABLE gorqa_new (hash bytea, embedding real[], length real) ON COMMIT DROP"); err != nil {
			return err
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"gorqa_new"}, []string{"hash", "embedding", "length"}, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO "+x.opt.table("_vectors")+" SELECT hash, embedding::vector, length FROM gorqa_new ON CONFLICT DO NOTHING")
		return err
	})
}

// write keeps the documents: those behind the ones that are there, or all anew.
func (x *Index) write(ctx context.Context, docs []dataset.Document, hashes [][sha256.Size]byte, before *about) error {
	digest, err := retrieve.Digest(docs)
	if err != nil {
		return err
	}
	from := 0
	if before.n > 0 && before.n <= len(docs) {
		start, err := retrieve.Digest(docs[:before.n])
		if err != nil {
			return err
		}
		if string(start[:]) == string(before.digest) {
			from = before.n
		}
	}
	schema, name := x.opt.name()
	to := pgx.Identifier{name + "_documents"}
	if schema != "" {
		to = pgx.Identifier{schema, name + "_documents"}
	}
	return x.do(ctx, x.opt.Bulk, "writing documents", func(ctx context.Context, tx pgx.Tx) error {
		if from < len(docs) || before.n != len(docs) {
			if _, err := tx.Exec(ctx, "DELETE FROM "+x.opt.table("_documents")+" WHERE place >= $1", from); err != nil {
				return err
			}
			source := pgx.CopyFromSlice(len(docs)-from, func(i int) ([]any, error) {
				line, err := retrieve.Line(docs[from+i])
				return []any{from + i, hashes[from+i][:], line}, err
			})
			if _, err := tx.CopyFrom(ctx, to, []string{"place", "hash", "document"}, source); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "UPDATE "+x.opt.table("_about")+" SET documents = $1, digest = $2", len(docs), digest[:]); err != nil {
				return err
			}
		}
		gone, err := tx.Exec(ctx, "DELETE FROM "+x.opt.table("_vectors")+" v WHERE NOT EXISTS (SELECT FROM "+x.opt.table("_documents")+" d WHERE d.hash = v.hash)")
		if err != nil {
			return err
		}
		for _, s := range []string{"_vectors", "_documents"} {
			if _, err := tx.Exec(ctx, "ANALYZE "+x.opt.table(s)); err != nil {
				return err
			}
		}
		_, name := x.opt.name()
		if _, err := tx.Exec(ctx, "CREATE INDEX IF NOT EXISTS "+pgx.Identifier{name + "_hashes"}.Sanitize()+" ON "+x.opt.table("_documents")+" (hash)"); err != nil {
			return err
		}
		x.stats.Dropped, x.n = int(gone.RowsAffected()), len(docs)
		return x.measure(ctx, tx)
	})
}

// connectNeighbours makes the index of HNSW where it is not there.
func (x *Index) connectNeighbours(ctx context.Context) error {
	const most = 2000 // pgvector's, for vectors of f32
	if x.width > most {
		return fmt.Errorf("%s: vectors of %d numbers; at most %d expected, which pgvector's HNSW takes; search exactly (index_type exact), or take an embedding model of fewer", x.show, x.width, most)
	}
	_, class := operator(x.opt.Index.Metric)
	_, name := x.opt.name()
	return x.do(ctx, x.opt.Bulk, "making the index of HNSW", func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "CREATE INDEX IF NOT EXISTS "+pgx.Identifier{name + "_hnsw_" + x.opt.Index.Metric.String()}.Sanitize()+
			" ON "+x.opt.table("_vectors")+" USING hnsw (embedding "+class+")")
		return err
	})
}
