package catalog

import (
	"net/url"
	"strconv"
	"strings"
)

// mostField bounds what a machine says of itself, in bytes.
const mostField = 128

// AppendQuery adds the machine to the query of OfferPath.
func (m *Machine) AppendQuery(q url.Values) {
	for name, field := range m.fields() {
		q.Set(name, *field)
	}
	q.Set("memory", strconv.FormatInt(m.Memory, 10))
	q.Set("cpus", strconv.Itoa(m.CPUs))
}

// MachineOf reads what AppendQuery wrote. What is missing or makes no sense is
// zero.
func MachineOf(q url.Values) Machine {
	var m Machine
	for name, field := range m.fields() {
		*field = q.Get(name)
	}
	m.Memory, _ = strconv.ParseInt(q.Get("memory"), 10, 64)
	m.CPUs, _ = strconv.Atoi(q.Get("cpus"))
	return m.Clean()
}

// Clean returns the machine with its fields bounded, and in the form in which they
// are compared.
func (m Machine) Clean() Machine {
	for _, field := range m.fields() {
		*field = strings.ToValidUTF8((*field)[:min(len(*field), mostField)], "")
	}
	m.MAC, m.UUID = strings.ToLower(m.MAC), strings.ToLower(m.UUID)
	m.Memory, m.CPUs = max(0, m.Memory), max(0, m.CPUs)
	return m
}

func (m *Machine) fields() map[string]*string {
	return map[string]*string{
		"mac": &m.MAC, "uuid": &m.UUID, "vendor": &m.Vendor, "product": &m.Product,
		"serial": &m.Serial, "name": &m.Name, "firmware": &m.Firmware,
	}
}
