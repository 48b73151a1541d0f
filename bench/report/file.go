package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Save writes the report as JSON into the folder dir, which it makes, under a
// name of its time, and returns the file.
func (r *Report) Save(dir string) (file string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("keeping the results: %w", err)
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return "", fmt.Errorf("keeping the results: %w", err)
	}
	file = filepath.Join(dir, r.Time.UTC().Format("2006-01-02T150405Z")+".json")
	return file, os.WriteFile(file, append(b, '\n'), 0o644)
}

// Load reads what Save wrote.
func Load(file string) (*Report, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("%s holds no results of this benchmark (or of an older one): %w", file, err)
	}
	return &r, nil
}
