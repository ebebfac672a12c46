/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The atoms that operations are made of (plan.h). Those that take things away do nothing, without
 * an error, where nothing is left.
 */
#ifndef XENITH_XENOPSD_ATOMS_H
#define XENITH_XENOPSD_ATOMS_H

#include "xenopsd/plan.h"

/* ---- atoms_vm.c ---- */

/* Notes that the VM is in the plan's phase; undone, that it is halted. */
extern const struct atom atom_vm_begin;
/* Promises its memory. */
extern const struct atom atom_memory_reserve;
/* It has its least. Undone: what it can have. */
extern const struct atom atom_memory_squeeze;
extern const struct atom atom_vm_create, atom_vm_build, atom_vm_start_device_model;
/* Notes that it is up: from here on a killed xenopsd leaves it as it is. */
extern const struct atom atom_vm_survive;
extern const struct atom atom_vm_unpause, atom_vm_pause;
extern const struct atom atom_vm_stop_device_model, atom_vm_destroy;
/* Notes that it is halted, and its devices with it. */
extern const struct atom atom_vm_halted;

/* ---- atoms_change.c ---- */

/* The VM has the plan's config. */
extern const struct atom atom_vm_change;
/* The domain is told of it. */
extern const struct atom atom_vm_set_vcpus, atom_vm_set_xenstore_data,
	atom_vm_set_shadow_multiplier;

/* ---- atoms_suspend.c ---- */

/* Notes that the image is being written. Undone: that the VM is up. */
extern const struct atom atom_suspend_begin;
/* The image is made, or opened to be read. */
extern const struct atom atom_image_create, atom_image_open;
extern const struct atom atom_image_close;
/* The guest suspends. Undone: it goes on. */
extern const struct atom atom_guest_suspend;
extern const struct atom atom_vm_save;
/* Notes that the image is whole: there is no way back. */
extern const struct atom atom_vm_saved;
/* Notes that it is suspended, and nothing of it left. */
extern const struct atom atom_vm_suspended;
/* Notes that it is being resumed. Undone: that it is what it was. */
extern const struct atom atom_resume_begin;
extern const struct atom atom_vm_restore;
/* Notes that the image is whole, and that the domain stays. */
extern const struct atom atom_vm_kept;
/* Notes that the guest goes on; lets it; notes that it has. */
extern const struct atom atom_fast_resume_begin, atom_guest_go_on, atom_vm_went_on;

/* ---- atoms_guest.c ---- */

/* The guest sleeps in its memory (undone: it wakes), or wakes. */
extern const struct atom atom_guest_s3suspend, atom_guest_s3resume;
/* The guest's own kernel is put in place of the one that ran, to which there is no way back. */
extern const struct atom atom_vm_soft_reset;
/* Writes the memory of a guest that has crashed to a file. */
extern const struct atom atom_vm_coredump;

/* ---- atoms_migrate.c, of the sender ---- */

/* Notes that its memory goes elsewhere. Undone: that the VM is up. */
extern const struct atom atom_migrate_begin;
/* Connects to the receiver, tells it of the VM, and waits until it is ready. */
extern const struct atom atom_migrate_connect, atom_migrate_await_ready;
extern const struct atom atom_vm_save_running;
/* The host ends using the disk of a guest that stands. Undone: it uses it again. */
extern const struct atom atom_vbd_deactivate;
/* Notes that the receiver decides. */
extern const struct atom atom_migrate_hand_over;
/* Tells the receiver so, and waits for what it has decided. */
extern const struct atom atom_migrate_done, atom_migrate_await_runs;
/* The VM stays: its disks are used again, the guest goes on, and that is noted. */
extern const struct atom atom_vbd_reactivate, atom_migrate_stay;
/* The VM has gone: that is noted, the receiver is told that it is, and the VM is removed. */
extern const struct atom atom_migrate_gone, atom_migrate_thank, atom_migrate_drop;

/* ---- atoms_receive.c, of the receiver ---- */

/* The disk comes to this host while another one still uses it. */
extern const struct atom atom_vbd_attach_early;
/* The memory may come. */
extern const struct atom atom_receive_ready;
/* The guest stands at the sender, and its disks are free. */
extern const struct atom atom_receive_await_done;
/* Notes that the VM is here: there is no way back. */
extern const struct atom atom_receive_arrive;
/* Tells the sender so, and forgets the migration when it knows. */
extern const struct atom atom_receive_runs, atom_receive_await_thanks;
/* Nothing of the VM stays on this host. */
extern const struct atom atom_receive_drop;

/* ---- atoms_hook.c ---- */

/* One that fails forbids what comes. */
extern const struct atom atom_hook_pre_start, atom_hook_pre_shutdown, atom_hook_pre_reboot,
	atom_hook_pre_suspend, atom_hook_pre_resume, atom_hook_post_resume, atom_hook_pre_migrate,
	atom_hook_post_migrate;
/* Where the end of the domain was begun with a reason; one that fails is told afterwards. */
extern const struct atom atom_hook_post_destroy;

/* ---- atoms_device.c ---- */

/* Notes that the device comes with the VM. Undone: that it does not. */
extern const struct atom atom_device_activate;
/* Undoes atom_device_activate for good. */
extern const struct atom atom_device_deactivate;
/* The VDI begins to be this VM's from boot to halt; comes to this host; is given to the guest. */
extern const struct atom atom_vbd_epoch_begin, atom_vbd_attach, atom_vbd_plug;
/* The same backwards; the guest is asked, or forced. */
extern const struct atom atom_vbd_unplug, atom_vbd_unplug_force, atom_vbd_detach,
	atom_vbd_epoch_end;
/* A VBD that is plugged has the I/O priority of its config. */
extern const struct atom atom_vbd_set_qos;
/* The guest's and the host's side are made; the host's is put on its bridge. */
extern const struct atom atom_vif_plug, atom_vif_connect;
extern const struct atom atom_vif_disconnect, atom_vif_unplug, atom_vif_unplug_force;
/* A VIF that is plugged is made as its config has it now. */
extern const struct atom atom_vif_set_carrier, atom_vif_reconnect;
extern const struct atom atom_vif_set_addresses, atom_vif_set_pvs_proxy;
extern const struct atom atom_vgpu_plug, atom_vgpu_unplug;
extern const struct atom atom_pci_plug, atom_pci_unplug, atom_vusb_plug, atom_vusb_unplug;

/* ---- atoms_freeze.c ---- */

/* Notes that the guest goes over to other images of the plan's drives, or that it has. */
extern const struct atom atom_freeze_begin, atom_freeze_end;
/* smd has a new image in front of the drive's. Undone: the guest writes to what smd has. */
extern const struct atom atom_vbd_freeze;
/* The guest goes over, with all drives of the plan. */
extern const struct atom atom_vbds_move;

/* ---- atoms_medium.c ---- */

/* Notes that the plan's disk is coming into the drive, or that its medium is going. Undone: it is
 * as it was. */
extern const struct atom atom_medium_comes, atom_medium_goes;
/* The guest sees the drive's medium, or none any more. */
extern const struct atom atom_vbd_insert, atom_vbd_eject;
/* Notes that it has come, or has gone. */
extern const struct atom atom_medium_is_in, atom_medium_is_out;

#endif
