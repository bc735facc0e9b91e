package config

import "gorqa/text/retrieve/postgres"

// How a database of vectors is searched.
const (
	ExactIndex = "exact"
	HNSWIndex  = "hnsw"
)

// Store says how documents and vectors are kept in a database, where full_dataset_index_path
// is the address of one.
type Store struct {
	IndexType  string // ExactIndex or HNSWIndex
	IndexTable string // what its tables are called after
}

// DefaultStore searches exactly.
func DefaultStore() Store {
	return Store{IndexType: ExactIndex, IndexTable: postgres.DefaultOptions().Table}
}

func (m *Store) declare(s *set) {
	s.choice(&m.IndexType, "index_type", "how a database at full_dataset_index_path is searched: every vector compared, as in a folder, or by HNSW, which is faster and misses some; eval says how many", ExactIndex, HNSWIndex)
	s.text(&m.IndexTable, "index_table", "NAME", "what the tables of that database are called after, with a schema and a dot before it or without")
}

func (m *Store) check(p *problems, index string) {
	if !postgres.Is(index) {
		p.that(m.IndexType == ExactIndex, "index_type: %s found; exact expected, as full_dataset_index_path is no database (postgres://…)", m.IndexType)
		return
	}
	o := postgres.DefaultOptions()
	o.Address, o.Table = index, m.IndexTable
	if err := o.Validate(); err != nil {
		p.that(false, "full_dataset_index_path, index_table: %v", err)
	}
}
