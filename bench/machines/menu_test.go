package machines

import "regexp"

// The menu as it is on the serial line; package ramdisk/menu has its words.

// atMenu waits until the machine shows the images of the server.
func (m *machine) atMenu() {
	m.room.Helper()
	m.sees("Choose the image to put on this machine")
	m.up("menu")
	m.sees(`Number, then Enter( \[\d+\])?> `)
}

// choose puts an image on a disk, the way a person does it: number of the image,
// number of the disk, yes.
func (m *machine) choose(image, disk string) {
	m.room.Helper()
	m.types(image + "\r")
	m.sees("Choose the disk for " + regexp.QuoteMeta("Debian"))
	m.sees(`Number, then Enter( \[\d+\])?> `)
	m.types(disk + "\r")
	m.sees("Everything on /dev/[a-z0-9]+ will be lost")
	m.sees("Type yes and Enter> ")
	m.types("yes\r")
}

// reacts presses a key and sees the menu answer it.
func (m *machine) reacts() {
	m.room.Helper()
	m.types("f\r")
	m.sees(`Firmware +(bios|uefi)`)
}
