# SPDX-License-Identifier: LGPL-2.1-or-later
"""A model of what clients make of events: objects change at random, subscribers with filters of all
kinds ask now and then, from the newest token or an old one, and merge what they are told. Each view
equals the database at each token, and nothing is told that the view did not need."""

import unittest

from budget import Budget
from catalogue import Model
from pipeline import Error, Pipeline
from pool import NO_QOS, NULL, VM
from xapid import Xapid

STEPS = 100_000
PARTS = 10  # that many tests share them
PASSWORD = "secret of root"
KEPT = {"pool", "network"}  # without networkd no network is destroyed
MANY = 20  # objects of a class, about
WATCHED = (
    "VM",
    "VBD",
    "VIF",
    "VM_appliance",
    "VM_group",
    "message",
    "network",
    "pool",
    "subject",
    "task",
)


class Changes:
    """Random changes of objects, each a call; what is there is known by what was made."""

    def __init__(self, case):
        self.case, self.dice, self.n = case, case.dice, 0
        self.refs = {cls: [] for cls in WATCHED}
        self.refs["pool"] = case.ask("pool.get_all")

    def any_of(self, cls):
        return self.dice.choice(self.refs[cls]) if self.refs[cls] else NULL

    def label(self):
        self.n += 1
        return f"name {self.n}"

    def record(self, cls):
        if cls == "VM":
            return {**VM, "name_label": self.label()}
        if cls == "VBD":
            place = str(self.dice.randrange(16))
            return {"VM": self.any_of("VM"), "VDI": NULL, "userdevice": place, "bootable": True,
                    "mode": "RO", "type": "CD", "unpluggable": True, "empty": True, **NO_QOS}
        if cls == "VIF":
            device = str(self.dice.randrange(7))
            return {"device": device, "network": self.any_of("network"), "VM": self.any_of("VM"),
                    "MAC": "", "MTU": "1500", **NO_QOS}
        if cls == "subject":
            return {"subject_identifier": self.label(), "other_config": {}}
        if cls == "network":
            return {"name_label": self.label(), "other_config": {}}
        record = {"name_label": self.label(), "name_description": ""}
        return {**record, "placement": "normal"} if cls == "VM_group" else record

    def making(self, cls):
        if cls == "task":
            return "task.create", [self.label(), "made"]
        if cls == "message":
            (pool,) = self.case.pool.values()
            return "message.create", [self.label(), 3, "Pool", pool["uuid"], "body"]
        return f"{cls}.create", [self.record(cls)]

    def changing(self, cls, ref):
        """A write to the object, or one that changes it by a relation."""
        kinds = {
            "VM": [
                ("VM.set_name_label", [ref, self.label()]),
                ("VM.add_tags", [ref, self.label()]),
                ("VM.set_appliance", [ref, self.any_of("VM_appliance")]),
                ("VM.set_affinity", [ref, NULL]),
            ],
            "VBD": [("VBD.set_bootable", [ref, self.dice.random() < 0.5])],
            "VIF": [("VIF.add_to_other_config", [ref, self.label(), "x"])],
            "VM_appliance": [("VM_appliance.set_name_label", [ref, self.label()])],
            "VM_group": [("VM_group.set_name_description", [ref, self.label()])],
            "message": [("message.destroy", [ref])],
            "network": [
                ("network.set_MTU", [ref, self.dice.randrange(1000, 9000)]),
                ("network.set_name_label", [ref, "the same"]),
            ],
            "pool": [
                ("pool.set_name_label", [ref, self.label()]),
                ("event.inject", ["pool", ref]),
            ],
            "subject": [("subject.add_to_other_config", [ref, self.label(), "x"])],
            "task": [("task.set_progress", [ref, self.dice.random()])],
        }
        return self.dice.choice(kinds[cls])

    def one(self, cls=None, only_making=False):
        """Makes, changes or destroys something; whether it was done."""
        cls = cls or self.dice.choice(WATCHED)
        refs = self.refs[cls]
        luck = self.dice.random()
        if cls != "pool" and (only_making or not refs or luck < 0.35 * (len(refs) < MANY)):
            answer = self.case.try_to(*self.making(cls))
            if not isinstance(answer, Error):
                refs.append(answer)
        elif cls not in KEPT and luck > 0.75:
            gone = refs.pop(self.dice.randrange(len(refs)))
            answer = self.case.try_to(f"{cls}.destroy", [gone])
            if isinstance(answer, Error) and answer[0] != "HANDLE_INVALID":
                refs.append(gone)
        else:
            answer = self.case.try_to(*self.changing(cls, self.dice.choice(refs)))
        return not isinstance(answer, Error)


class Subscriber:
    """One client's view: reference to record of what its filters let through."""

    def __init__(self, case, filters):
        self.case, self.filters = case, filters
        self.forget()

    def forget(self):
        self.token, self.view, self.past = "", {}, []
        self.is_fresh = True  # it has asked nothing that was told in part already

    def classes(self):
        if "*" in self.filters:
            return self.case.classes
        return sorted({c for c in self.case.classes for f in self.filters
                       if f.partition("/")[0].lower() == c.lower()})

    def lets_through(self, cls, ref):
        for text in self.filters:
            name, _, one = text.partition("/")
            if text == "*" or (name.lower() == cls.lower() and one in ("", ref)):
                return True
        return False

    def go_back(self, dice):
        """To what it was when it had an older token."""
        if self.past:
            self.token, self.view = dice.choice(self.past)
            self.view = dict(self.view)

    def begin_with_inject(self):
        """As clients do that want a token first and then read all."""
        pool = next(iter(self.case.pool))
        self.forget()
        self.token = self.case.ask("event.inject", "pool", pool)
        self.view = self.database()
        self.is_fresh = False

    def database(self, records=None):
        classes = self.classes()
        records = records or self.case.asks([(f"{c}.get_all_records", []) for c in classes])
        return {(c.lower(), ref): record for c, found in zip(classes, records)
                for ref, record in found.items() if self.lets_through(c, ref)}

    def merge(self, events):
        case = self.case
        for event in events:
            key, kind = (event["class"], event["ref"]), event["operation"]
            if self.is_fresh:
                case.assertEqual(kind == "add", key not in self.view, event)
            if kind == "del":
                self.view.pop(key, None)
            else:
                self.view[key] = event["snapshot"]
        case.assertEqual(len({(e["class"], e["ref"]) for e in events}), len(events), "told twice")

    def question(self, timeout=0):
        return "event.from", [self.filters, self.token, timeout]

    def take(self, answer, records):
        """The answer is merged; RECORDS is what the database held just then."""
        case = self.case
        self.merge(answer["events"])
        now = self.database(records)
        if self.view != now:
            case.fail(f"{self.filters} from {self.token}: {differences(self.view, now)}")
        counts = {c: len(found) for c, found in zip(self.classes(), records)}
        told = {name: n for name, n in answer["valid_ref_counts"].items()}
        for cls, n in counts.items():
            case.assertEqual(told[cls.lower()], n, cls)
        self.token, self.is_fresh = answer["token"], True
        self.past = [*self.past[-4:], (self.token, dict(self.view))]

    def poll(self):
        reads = [(f"{c}.get_all_records", []) for c in self.classes()]
        answer, *records = self.case.asks([self.question(), *reads])
        self.take(answer, records)

    def wait(self, changes):
        """Asks before it happens."""
        classes = [f for f in self.filters if f in WATCHED and f != "pool"]
        if not classes:
            return
        self.poll()
        self.case.begin(*self.question(60))
        while not changes.one(classes[0], only_making=True):
            changes.one("VM", only_making=True)
            changes.one("network", only_making=True)
        answer = self.case.end()
        self.case.assertTrue(answer["events"])
        self.merge(answer["events"])
        self.token = answer["token"]
        self.poll()


def differences(view, now):
    found = [f"{key} is not told" for key in now if key not in view]
    found += [f"{key} is not there" for key in view if key not in now]
    for key in set(view) & set(now):
        found += [f"{key}.{name}: {view[key].get(name)} is {value}"
                  for name, value in now[key].items() if view[key].get(name) != value]
    return "; ".join(found[:5])


class Events(unittest.TestCase):
    def setUp(self):
        self.xapid = Xapid(self, {"root": ("root", PASSWORD)})
        self.connect()
        self.addCleanup(lambda: (self.line.__exit__(), self.other.__exit__()))
        told = self.ask("event.from", ["*"], "", 0)["valid_ref_counts"]
        names = self.session.proxy.system.listMethods()
        listed = {n.partition(".")[0] for n in names if n.endswith(".get_all_records")}
        self.classes = sorted(c for c in listed - Model().removed if c.lower() in told)
        self.assertGreater(len(self.classes), 40)

    def connect(self):
        self.session = self.xapid.login("root", PASSWORD)
        self.line, self.other = Pipeline(self.session.url), Pipeline(self.session.url)
        self.pool = self.ask("pool.get_all_records")

    def asks(self, calls):
        answers = self.line.answers([(name, [self.session.ref, *args]) for name, args in calls])
        for call, answer in zip(calls, answers):
            self.assertNotIsInstance(answer, Error, f"{call}: {answer}")
        return answers

    def ask(self, name, *args):
        return self.asks([(name, args)])[0]

    def try_to(self, name, args):
        return self.line.answers([(name, [self.session.ref, *args])])[0]

    def begin(self, name, args):
        self.other.socket.sendall(self.other.request(name, [self.session.ref, *args]))

    def end(self):
        return self.other.response()["result"]

    def filters(self, changes):
        """All, some classes, some objects, in whatever letters."""
        luck = self.dice.random()
        if luck < 0.04:
            return ["*"]
        some = self.dice.sample(WATCHED, self.dice.randint(1, 4))
        if luck < 0.3:
            some += [f"{cls}/{changes.any_of(cls)}" for cls in self.dice.choices(WATCHED, k=3)]
        return [f.upper() if "/" not in f and self.dice.random() < 0.1 else f for f in some]

    def step(self, changes, subscribers):
        luck = self.dice.random()
        if luck < 0.68:
            self.n_done += changes.one()
            return
        i = self.dice.randrange(len(subscribers))
        one = subscribers[i]
        if luck < 0.70:
            subscribers[i] = Subscriber(self, self.filters(changes))
        elif luck < 0.72:
            one.begin_with_inject()
        elif luck < 0.76:
            one.go_back(self.dice)
            one.poll()
        elif luck < 0.78:
            one.wait(changes)
        else:
            one.poll()

    def views_equal_the_database(self, part):
        budget = Budget("events", STEPS // PARTS, least=100, share=1 / PARTS, part=part)
        self.dice, self.n_done = budget.dice, 0
        changes = Changes(self)
        subscribers = [Subscriber(self, self.filters(changes)) for _ in range(12)]
        n = 0
        for n in budget:
            self.step(changes, subscribers)
        self.assertGreater(self.n_done, 0.4 * n)
        for one in subscribers:
            one.poll()


for number in range(PARTS):
    setattr(
        Events,
        f"test_views_equal_the_database__{number}",
        lambda self, part=number: self.views_equal_the_database(part),
    )


if __name__ == "__main__":
    unittest.main()
