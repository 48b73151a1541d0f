package cmdline

import "testing"

func TestParseRate(t *testing.T) {
	for in, want := range map[string]int64{
		"auto": 0, "200M": 200e6, "1G": 1e9, "2.5G": 2.5e9, "950k": 950e3, "64000": 64000,
		"100m": 100e6, "1g": 1e9, "10Mbit/s": 10e6,
	} {
		if got, err := ParseRate(in); got != want || err != nil {
			t.Errorf("ParseRate(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "fast", "200", "0", "-1M", "1e400", "NaN", "Inf", "10MB", "9999T", "M", "1 G"} {
		if got, err := ParseRate(in); err == nil {
			t.Errorf("ParseRate(%q) = %d; want an error", in, got)
		}
	}
}

func TestParseParity(t *testing.T) {
	for in, want := range map[string]float64{"auto": -1, "0": 0, "5": 0.05, "12.5%": 0.125, "30": 0.3} {
		if got, err := ParseParity(in); got != want || err != nil {
			t.Errorf("ParseParity(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-1", "31", "NaN", "much"} {
		if got, err := ParseParity(in); err == nil {
			t.Errorf("ParseParity(%q) = %v; want an error", in, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int{"64M": 64 << 20, "64MiB": 64 << 20, "1G": 1 << 30, "1048576": 1 << 20, "512k": 512 << 10} {
		if got, err := ParseSize("memory", in); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "some", "-1M", "3G"} {
		if got, err := ParseSize("memory", in); err == nil {
			t.Errorf("ParseSize(%q) = %d; want an error", in, got)
		}
	}
}
