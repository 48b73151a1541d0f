package catalog

import (
	"encoding/hex"
	"errors"
	"net/url"
	"strconv"
	"strings"
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
	var n Nonce
	b, err := hex.DecodeString(q.Get("nonce"))
	if err != nil || len(b) != len(n) {
		return Machine{}, n, errors.New("the question for an offer has no nonce of 32 hexadecimal digits")
	}
	copy(n[:], b)
	m := Machine{
		MAC: q.Get("mac"), UUID: q.Get("uuid"), Vendor: q.Get("vendor"), Product: q.Get("product"), Serial: q.Get("serial"),
		Name: q.Get("name"), Firmware: q.Get("firmware"),
	}
	if v, err := strconv.ParseInt(q.Get("memory"), 10, 64); err == nil {
		m.Memory = v
	}
	if v, err := strconv.Atoi(q.Get("cpus")); err == nil {
		m.CPUs = v
	}
	return m.Clean(), n, nil
}

// Clean returns the machine with its words cut to what they may have, and in the
// form in which they are compared.
func (m Machine) Clean() Machine {
	for _, word := range []*string{&m.MAC, &m.UUID, &m.Vendor, &m.Product, &m.Serial, &m.Name, &m.Firmware} {
		*word = strings.ToValidUTF8((*word)[:min(len(*word), maxFact)], "")
	}
	m.MAC, m.UUID = strings.ToLower(m.MAC), strings.ToLower(m.UUID)
	m.Memory, m.CPUs = max(0, m.Memory), max(0, m.CPUs)
	return m
}
