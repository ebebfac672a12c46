# SPDX-License-Identifier: LGPL-2.1-or-later
"""A pool of three hosts in a bad week: hosts leave and come, die, and follow one another as its
master. Whatever happens there is one master, all have the same database, and what a client was
told of is in it."""

from budget import Budget
from hosts import Local, TwoHosts
from xenapi import Failure, Session

ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


class Storm(TwoHosts):
    def setUp(self):
        super().setUp()
        self.stacks = dict(zip(ADDRESSES, (self.a, self.b, self.host_at(ADDRESSES[2]))))
        self.lead = ADDRESSES[0]
        self.told, self.happened = {}, []  # VM -> the name that it has
        for address in ADDRESSES[1:]:
            self.come(address)

    def members(self):
        return [address for address in ADDRESSES if address != self.lead]

    def come(self, address):
        alone = self.session_at(address)
        self.until(lambda: alone("SM.get_all"), "the drivers of smd")
        password = self.stacks[self.lead].env()["XAPI_PASSWORD"]
        alone("pool.join", self.lead, "root", password)
        self.until(lambda: address in self.hosts(), f"{address} in the pool")

    def session_at(self, address):
        self.until(lambda: Session.of(self.stacks[address].env()), f"a master at {address}")
        return Session.of(self.stacks[address].env())

    def write(self):
        vm = self.make_vm("0")
        for other in [*self.told, vm]:
            name = str(self.dice.random())
            self.x("VM.set_name_label", other, name)
            self.told[other] = name

    # What happens; each begins right after a write.

    def leave(self):
        address = self.dice.choice(self.members())
        self.x("pool.eject", self.hosts()[address])
        self.come(address)

    def die(self):
        self.stacks[self.dice.choice(ADDRESSES)].kill("xapid")

    def die_together(self):
        for address in self.dice.sample(ADDRESSES, 2):
            self.stacks[address].kill("xapid")

    def designate(self):
        address = self.dice.choice(self.members())
        self.x("pool.designate_new_master", self.hosts()[address])
        self.lead = address

    def lose_the_master(self):
        """For a while: then it is a member of the one that took its place."""
        lost, address = self.lead, self.dice.choice(self.members())
        start_again = self.end_xapid(self.stacks[lost])
        self.addCleanup(start_again)
        local = Local(self.stacks[address].env())
        self.until(lambda: local("host.is_in_emergency_mode"), "an emergency")
        local("pool.emergency_transition_to_master")
        self.lead = address
        self.x = self.session_at(address)
        self.x("pool.recover_slaves")
        start_again()
        local = self.until(lambda: Local(self.stacks[lost].env()), "the one that was lost")
        local("pool.emergency_reset_master", address)

    def settle(self):
        self.x = self.session_at(self.lead)
        self.await_hosts(*ADDRESSES)
        for address in self.members():
            self.agree(self.stacks[self.lead], self.stacks[address])
            with self.assertRaises(Failure) as caught:
                Session.of(self.stacks[address].env())
            self.assertEqual(caught.exception.error, ["HOST_IS_SLAVE", self.lead])
        master = self.x("pool.get_master", self.x("pool.get_all")[0])
        self.assertEqual(master, self.hosts()[self.lead])
        for vm, name in self.told.items():
            self.assertEqual(self.x("VM.get_name_label", vm), name)

    def test_whatever_happens(self):
        budget = Budget("misfortunes of a pool", 100)
        self.dice = budget.dice
        events = (self.leave, self.die, self.die_together, self.designate, self.lose_the_master)
        for _ in budget:
            event = self.dice.choice(events)
            self.happened.append((event.__name__, self.lead))
            self.write()
            event()
            self.settle()

    def _formatMessage(self, msg, standard):
        return f"{super()._formatMessage(msg, standard)}, after {self.happened}"
