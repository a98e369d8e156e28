#!/usr/bin/env python3
"""`vitrim plan` from outside. Nothing here depends on the speed of the machine."""

import json
import os
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
from program_case import CALIB, PROGRAM, Case  # noqa: E402

QUICK = ("--rounds", "3", "--measure", "2", "--epochs", "0", "--channels-by", "energy_centred", "--precision", "f32")
EMBEDDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "synthetic_vit.safetensors")


class Plan(Case):
    def plan(self, *arguments, model="model.safetensors"):
        return self.json_of("plan", model, *CALIB, *QUICK, *arguments)

    def test_the_embedded_model_from_budget_to_checkpoint(self):
        shutil.copy(EMBEDDED, self.path("v.safetensors"))
        result = self.json_of("plan", "v.safetensors", "--calib", "synthetic:calib:32", *QUICK, "--most-removed", "2", "--budget", "macs<=70%", "--budget", "params<=95%",
                              "--eval", "synthetic:test:60", "--latency-table", "table.json", "--report", "page.html", "-o", "small.safetensors")
        self.assertEqual(result["kind"], "plan")
        dense = self.json_of("inspect", "v.safetensors")
        small = self.json_of("inspect", "small.safetensors")
        self.assertLessEqual(small["macs"], 0.7 * dense["macs"])
        self.assertLessEqual(small["params"], 0.95 * dense["params"])
        self.assertEqual((small["macs"], small["params"]), (result["built"]["compressed"]["macs"], result["built"]["compressed"]["params"]))
        self.assertEqual([limit["quantity"] for limit in result["limits"]], ["macs", "params"])
        for row in result["rows"]:
            self.assertLessEqual(row["macs"], 0.7 * dense["macs"])
            self.assertLessEqual(row["params"], 0.95 * dense["params"])
            self.assertGreater(row["latency"], 0)
            if row["measured_kl"] is not None:
                self.assertGreater(row["measured_latency"], 0)
                self.assertLessEqual(row["eval"]["top1_ci95"][0], row["eval"]["top1"])
        self.assertGreater(result["kl_quality"]["count"], 1)
        self.assertGreater(result["latency_quality"]["count"], 5)
        self.assertEqual(result["built"]["compressed"]["top1"], self.json_of("eval", "small.safetensors", "--data", "synthetic:test:60", "--precision", "f32")["top1"])
        self.assertGreater(result["built_latency"], 0)
        page = self.read("page.html")
        self.assertIn(b"What the budget buys", page)
        self.assertIn(b"Latency predicted from pieces", page)
        # The page can also be made from the document, and the table is reused unchanged.
        self.write("plan.json", json.dumps(result).encode())
        self.run_vitrim("report", "plan.json", "-o", "again.html", "--quiet")
        table = self.read("table.json")
        again = self.json_of("plan", "v.safetensors", "--calib", "synthetic:calib:32", *QUICK, "--without", "removal", "--budget", "macs<=70%", "--latency-table", "table.json")
        self.assertEqual(self.read("table.json"), table)
        self.assertEqual(again["table"], json.loads(table))
        self.assertEqual(again["output"], "")
        self.assertNotIn("built", again)

    def test_a_table_grows_by_what_it_lacks_and_is_refused_where_it_does_not_belong(self):
        self.plan("--budget", "macs<=80%", "--latency-table", "table.json")
        self.plan("--budget", "latency<=100%@batch3", "--latency-table", "table.json")
        table = json.loads(self.read("table.json"))
        self.assertEqual([part["batch"] for part in table["batches"]], [1, 3])
        table["cpu"] = "another one"
        self.write("other.json", json.dumps(table).encode())
        plan = ("plan", "model.safetensors", *CALIB, *QUICK, "--budget", "macs<=80%")
        self.refuse(*plan, "--latency-table", "other.json", says="processor 'another one'")
        self.refuse(*plan, "--latency-table", "model.safetensors", says="model.safetensors")
        self.refuse(*plan, "--latency-table", "nowhere/table.json", says="nowhere")

    def test_one_kind_of_move_alone(self):
        for without, key in (("static,pruning,mlp,merging", "removed"), ("removal,pruning,mlp,merging", "static"), ("removal,static,mlp,merging", "width"),
                             ("removal,static,pruning,merging", "mlp"), ("removal,static,pruning,mlp", "pairs")):
            result = self.plan("--budget", "macs<=92%", "--without", without, "-o", "m.safetensors")
            for row in result["rows"] + result["dominated"]:
                for other in {"removed", "static", "width", "mlp", "pairs"} - {key}:
                    self.assertFalse(row.get(other), row)
                self.assertTrue(row[key])
            self.assertLessEqual(self.json_of("inspect", "m.safetensors")["macs"], 0.92 * self.json_of("inspect", "model.safetensors")["macs"])

    def test_words(self):
        """The printed text agrees with the document: every limit, the number of candidates within it, and a line for each measured row, under a
        line of columns."""
        done = self.run_vitrim("plan", "model.safetensors", *CALIB, *QUICK, "--budget", "macs <= 80 %", "--eval", "synthetic:test:20", "--json", "plan.json")
        lines = done.stdout.splitlines()
        plan = json.loads(self.read("plan.json"))
        self.assertTrue(any(line.startswith(plan["limits"][0]["text"]) for line in lines), lines)
        self.assertTrue(any({str(plan["within"]), str(plan["candidates"])} <= set(line.split()) for line in lines), lines)
        head = next(i for i, line in enumerate(lines) if line.split()[:5] == ["removed", "static", "width", "mlp", "pairs"])
        self.assertEqual(lines[head].split()[-1], "top-1")
        measured = [row for row in plan["rows"] if row.get("measured_kl") is not None]
        self.assertTrue(measured)
        for row in measured:
            self.assertTrue(any(f"{row['measured_kl']:.4f}" in line for line in lines[head + 1:]), row)

    def test_refusals(self):
        plan = ("plan", "model.safetensors", *CALIB, *QUICK)
        out = ("-o", "m.safetensors")
        self.refuse(*plan, "--budget", "mac<=60%", *out, says="did you mean 'macs'?", expect=2)
        self.refuse(*plan, "--budget", "latency<=12", *out, says="did you mean 12ms?", expect=2)
        self.refuse(*plan, "--budget", "macs<=70%", "--without", "mergin", *out, says="--without", expect=2)
        self.refuse(*plan, "--budget", "macs<=70%", "--no-absorb", *out, says="--no-absorb", expect=2)
        self.refuse(*plan, "--budget", "macs<=70%", "--channels-by", "luck", *out, says="--channels-by", expect=2)
        self.refuse(*plan, "--budget", "macs<=70%", "-o", "m.pt", says="safetensors", expect=2)
        self.refuse(*plan, "--budget", "macs<=2%", *out, says=("can't be met", "5 pairs"))
        self.refuse(*plan, "--budget", "macs<=90T", *out, says="more than the model has")
        self.refuse(*plan, "--budget", "macs<=70%", "--eval", "nothing", *out, says="nothing")
        self.refuse("plan", "model.safetensors", "--budget", "macs<=70%", "--calib", "nowhere", *out, says="nowhere")
        self.refuse("plan", "swin_tiny_patch4_window7_224", *CALIB, "--mean", "0.5", "--std", "0.5", "--budget", "latency<=70%", *out, says="latency can't be measured")


if __name__ == "__main__":
    if not os.path.exists(PROGRAM):
        sys.exit(f"no program at {PROGRAM}: set VITRIM_BINARY")
    cases.main("plan_program")
