package catalog

import (
	"net/url"
	"strings"
	"testing"
)

func TestQueryComesBack(t *testing.T) {
	m := Machine{MAC: "52:54:00:12:34:56", UUID: "4c4c4544", Vendor: "A & B", Product: "x=y", Serial: "é", Name: "pc-01", Firmware: "uefi secure boot", Memory: 1 << 30, CPUs: 4}
	q, err := url.ParseQuery(Query(&m, Nonce{1, 255}).Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got, n, err := ParseQuery(q); err != nil || got != m || n != (Nonce{1, 255}) {
		t.Errorf("%+v, %v, %v", got, n, err)
	}
}

func TestQueryOfOthers(t *testing.T) {
	for _, nonce := range []string{"", "00", strings.Repeat("zz", 16), strings.Repeat("00", 17)} {
		if _, _, err := ParseQuery(url.Values{"nonce": {nonce}}); err == nil {
			t.Errorf("nonce %q is taken", nonce)
		}
	}
	m, _, err := ParseQuery(url.Values{"nonce": {strings.Repeat("0a", 16)}, "vendor": {strings.Repeat("x", 5000)}, "memory": {"-1"}, "cpus": {"many"}})
	if err != nil || len(m.Vendor) != maxFact || m.Memory != 0 || m.CPUs != 0 {
		t.Errorf("%+v, %v", m, err)
	}
}
