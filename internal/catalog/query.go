package catalog

import (
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
)

// maxFact bounds each word that a machine says of itself.
const maxFact = 128

// Query returns the query of OfferPath: the nonce in hexadecimal and the fields
// of the machine under the names that they have in JSON.
func Query(m *Machine, n Nonce) url.Values {
	return url.Values{
		"nonce": {hex.EncodeToString(n[:])},
		"mac":   {m.MAC}, "uuid": {m.UUID}, "vendor": {m.Vendor}, "product": {m.Product}, "serial": {m.Serial},
		"name": {m.Name}, "firmware": {m.Firmware},
		"memory": {strconv.FormatInt(m.Memory, 10)}, "cpus": {strconv.Itoa(m.CPUs)},
	}
}

// ParseQuery reads what Query returns. Words that are too long are cut, numbers
// that are none are 0; only a nonce is needed.
func ParseQuery(q url.Values) (Machine, Nonce, error) {
	word := func(name string) string {
		s := q.Get(name)
		return s[:min(len(s), maxFact)]
	}
	var n Nonce
	b, err := hex.DecodeString(q.Get("nonce"))
	if err != nil || len(b) != len(n) {
		return Machine{}, n, errors.New("the question for an offer has no nonce of 32 hexadecimal digits")
	}
	copy(n[:], b)
	m := Machine{
		MAC: word("mac"), UUID: word("uuid"), Vendor: word("vendor"), Product: word("product"), Serial: word("serial"),
		Name: word("name"), Firmware: word("firmware"),
	}
	if v, err := strconv.ParseInt(q.Get("memory"), 10, 64); err == nil && v > 0 {
		m.Memory = v
	}
	if v, err := strconv.Atoi(q.Get("cpus")); err == nil && v > 0 {
		m.CPUs = v
	}
	return m, n, nil
}
