package boot

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
)

// checkFirewall reads nftables' rules, which iptables' are too on systems of today. It
// is a look from afar: who filters input and names none of a port, most likely drops
// what comes there.
func checkFirewall(ctx context.Context, cfg *Config) []Finding {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "nft", "-j", "list", "ruleset").Output()
	if err != nil {
		return nil // no nft, or not root: nothing is known
	}
	ports := map[int]string{int(cfg.HTTPPort): "TCP", tftpPort: "UDP"}
	if cfg.DHCP.Mode != Off {
		ports[dhcp.ServerPort], ports[dhcp.PXEPort] = "UDP", "UDP"
	}
	return judgeRules(out, cfg.Interface, ports)
}

// ruleset is nft's JSON as far as it is read.
type ruleset struct {
	All []struct {
		Chain *struct {
			Family, Table, Name, Hook, Policy string
		}
		Rule *struct {
			Family, Table, Chain string
			Expr                 []map[string]any
		}
	} `json:"nftables"`
}

// judgeRules finds the ports that a ruleset closes on an interface.
func judgeRules(text []byte, interface_ string, ports map[int]string) (all []Finding) {
	var rules ruleset
	if json.Unmarshal(text, &rules) != nil {
		return nil
	}
	for _, o := range rules.All {
		c := o.Chain
		if c == nil || c.Hook != "input" || c.Family == "ip6" || c.Family == "arp" {
			continue
		}
		closed, open := c.Policy == "drop", false
		named := make(map[int]bool)
		for _, each := range rules.All {
			r := each.Rule
			if r == nil || r.Family != c.Family || r.Table != c.Table {
				continue
			}
			closed = closed || r.Chain == c.Name && len(r.Expr) > 0 && drops(r.Expr)
			if accepts(r.Expr) {
				open = open || onlyFor(r.Expr, interface_)
				for p := range ports {
					if mentions(r.Expr, p) {
						named[p] = true
					}
				}
			}
		}
		if !closed || open {
			continue
		}
		for _, p := range sortedPorts(ports) {
			if !named[p] {
				all = append(all, Finding{false, fmt.Sprintf("the firewall seems to drop %s port %d", ports[p], p),
					fmt.Sprintf("nft: table %s %s, chain %s lets in only what it names", c.Family, c.Table, c.Name),
					fmt.Sprintf("`nft insert rule %s %s %s iifname %s %s dport %d accept`", c.Family, c.Table, c.Name, strconv.Quote(interface_), strings.ToLower(ports[p]), p)})
			}
		}
	}
	return all
}

func sortedPorts(ports map[int]string) (all []int) {
	for p := range 1 << 16 {
		if ports[p] != "" {
			all = append(all, p)
		}
	}
	return all
}

// drops reports whether a rule drops everything: it has a verdict and no condition.
func drops(expr []map[string]any) bool {
	for _, e := range expr {
		for key := range e {
			switch key {
			case "counter", "log", "limit":
			case "drop", "reject":
				return true
			default:
				return false
			}
		}
	}
	return false
}

// accepts reports whether a rule can let something in.
func accepts(expr []map[string]any) bool {
	for _, e := range expr {
		for key, value := range e {
			if key == "accept" || key == "jump" || key == "goto" {
				return true
			}
			if key == "vmap" && strings.Contains(fmt.Sprint(value), "accept") {
				return true
			}
		}
	}
	return false
}

// onlyFor reports whether a rule's only condition is the interface that things come in
// by.
func onlyFor(expr []map[string]any, interface_ string) bool {
	conditions := 0
	found := false
	for _, e := range expr {
		m, ok := e["match"].(map[string]any)
		if !ok {
			continue
		}
		conditions++
		left := fmt.Sprint(m["left"])
		if (strings.Contains(left, "iifname") || strings.Contains(left, "iif]")) && m["op"] == "==" && m["right"] == interface_ {
			found = true
		}
	}
	return found && conditions == 1
}

// mentions reports whether a port's number, or a range or a name with it, is in a
// rule.
func mentions(v any, port int) bool {
	switch v := v.(type) {
	case float64:
		return int(v) == port
	case []any:
		for _, each := range v {
			if mentions(each, port) {
				return true
			}
		}
	case []map[string]any:
		for _, each := range v {
			if mentions(each, port) {
				return true
			}
		}
	case map[string]any:
		if r, ok := v["range"].([]any); ok && len(r) == 2 {
			first, ok1 := r[0].(float64)
			last, ok2 := r[1].(float64)
			return ok1 && ok2 && int(first) <= port && port <= int(last)
		}
		for _, each := range v {
			if mentions(each, port) {
				return true
			}
		}
	}
	return false
}
