package menu

import (
	"reflect"
	"testing"

	"github.com/pxecast/pxecast/internal/catalog"
)

func yes(b bool) *bool { return &b }

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		line string
		want Options
	}{
		{"", Options{}},
		{"BOOT_IMAGE=vmlinuz quiet console=ttyS0,115200 console=tty0", Options{}},
		{"pxecast.server=10.0.0.1", Options{Server: "10.0.0.1:26980"}},
		{"pxecast.server=10.0.0.1:80 pxecast.mac=52:54:00:AB:cd:ef", Options{Server: "10.0.0.1:80", MAC: "52:54:00:ab:cd:ef"}},
		{"BOOTIF=01-52-54-00-12-34-56", Options{MAC: "52:54:00:12:34:56"}},
		{"BOOTIF=01-52-54-00-12-34-56 pxecast.mac=52:54:00:00:00:01", Options{MAC: "52:54:00:00:00:01"}},
		{"pxecast.mac=${mac} BOOTIF=01-52-54-00-12-34-56", Options{MAC: "52:54:00:12:34:56"}}, // a loader that doesn't know
		{"pxecast.image=lab pxecast.disk=serial:S4X pxecast.confirm=no pxecast.after=poweroff pxecast.verify=yes\n",
			Options{Image: "lab", Disk: "serial:S4X", Confirm: yes(false), After: catalog.PowerOff, Verify: yes(true)}},
		{"pxecast.image=a pxecast.image=b pxecast.keymap=de", Options{Image: "b"}},
		{"pxecast.shell=no pxecast.trust=k1,k2 pxecast.trust=k3", Options{NoShell: true, Trust: []string{"k1,k2", "k3"}}},
		{"pxecast.disk=biggest pxecast.after=party pxecast.confirm=perhaps pxecast.server=::1",
			Options{Disk: "biggest", After: "party", Wrong: []string{"pxecast.disk=biggest", "pxecast.after=party", "pxecast.confirm=perhaps", "pxecast.server=::1"}}},
	} {
		if got := ParseOptions(c.line); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.line, got, c.want)
		}
	}
}

// The command line wins over the server's orders, word by word.
func TestPlan(t *testing.T) {
	orders := catalog.Orders{Image: "lab", Disk: "largest", Unattended: true, After: catalog.PowerOff, Verify: true}
	for _, c := range []struct {
		line string
		o    catalog.Orders
		want Plan
	}{
		{"", catalog.Orders{}, Plan{}},
		{"", orders, Plan{"lab", "largest", true, catalog.PowerOff, true}},
		{"pxecast.image=win pxecast.disk=/dev/sdb pxecast.after=menu pxecast.verify=no", orders, Plan{"win", "/dev/sdb", true, catalog.Menu, false}},
		{"pxecast.confirm=yes", orders, Plan{"lab", "largest", false, catalog.PowerOff, true}},
		{"pxecast.confirm=no", catalog.Orders{}, Plan{}}, // of what?
		{"pxecast.confirm=no", catalog.Orders{Image: "lab"}, Plan{"lab", "", true, "", false}},
		{"pxecast.image=lab", catalog.Orders{}, Plan{"lab", "", false, "", false}},
		{"pxecast.disc=/dev/sda pxecast.disk=sda", orders, Plan{"lab", "sda", false, catalog.PowerOff, true}}, // a slip: who knows what was meant
		{"pxecast.shell=no pxecast.after=shell", catalog.Orders{}, Plan{After: catalog.Menu}},
	} {
		o := ParseOptions(c.line)
		if got := o.plan(c.o); got != c.want {
			t.Errorf("%q with %+v: %+v, want %+v", c.line, c.o, got, c.want)
		}
	}
}
