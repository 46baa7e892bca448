"""Faults in: The dropout masks and the class labels that each pass of each method has."""

from fault_tables.base import of

PASSES = "tests/methods/test_method_passes.py::test_"
BATCHES = "tests/bench/training/test_batches.py::test_"


def masks(case: str) -> str:
    return f"{PASSES}the_passes_of_a_loss_have_the_masks_of_the_papers[{case}]"


def labels(case: str) -> str:
    return f"{PASSES}every_pass_sees_each_samples_own_label[{case}]"


def jumps(case: str) -> str:
    return f"{PASSES}a_jump_sees_every_samples_label_and_no_mask[{case}]"


STUDENT, LABEL = 'context.draws.dropout("student")', "batch.condition"
NET = 'conditioned(models["net"], batch.condition, '
CONSISTENCY, MATCHING, SELF = "methods/consistency.py", "methods/flow_map_matching.py", "methods/self_distillation.py"

FAULTS = [
    *of(
        "flow_matching", "methods/flow_matching.py",
        ("no dropout", STUDENT, "None", masks("flow_matching")),
        ("label dropped", NET, 'conditioned(models["net"], None, ', labels("flow_matching")),
        ("sampled without its label", 'conditioned(models["net"], condition)', 'conditioned(models["net"])',
         jumps("flow_matching")),
    ),
    *of(
        "edm", "methods/edm.py",
        ("no dropout", STUDENT, "None", masks("edm")),
        ("label dropped", NET, 'conditioned(models["net"], None, ', labels("edm")),
        ("sampled without its label", 'conditioned(models["net"], condition)', 'conditioned(models["net"])', jumps("edm")),
    ),
    *of(
        "edm", "methods/tools/preconditioning.py",
        ("label lost on the way", "condition=condition, dropout=dropout", "dropout=dropout",
         PASSES + "a_function_of_a_network_hands_on_its_label_and_mask"),
        ("mask lost on the way", "condition=condition, dropout=dropout", "condition=condition",
         PASSES + "a_function_of_a_network_hands_on_its_label_and_mask"),
    ),
    *of(
        "lmd", MATCHING,
        ("no dropout", STUDENT + ')\n        return {"net": Loss(squared(self.residual',
         'None)\n        return {"net": Loss(squared(self.residual', masks("lmd")),
        ("teacher without labels", "context.teach(x, t, batch.condition)", "context.teach(x, t)", labels("lmd")),
    ),
    *of(
        "emd", MATCHING,
        ("no dropout", STUDENT + ')\n        return {"net": Loss(squared(self.residual',
         'None)\n        return {"net": Loss(squared(self.residual', masks("emd")),
        ("teacher without labels", "context.teach(x, t, batch.condition)", "context.teach(x, t)", labels("emd")),
    ),
    *of(
        "fmm", MATCHING,
        ("no dropout", STUDENT + ")\n        end, speed", "None)\n        end, speed", masks("fmm")),
        ("way back without the mask", "jump(v, x_t, t, s)", 'jump(conditioned(models["net"], batch.condition), x_t, t, s)',
         masks("fmm")),
    ),
    *of(
        "meanflow", "methods/meanflow.py",
        ("no dropout", STUDENT, "None", masks("meanflow")),
        ("derivative of a network without dropout", "derivative(v, x_s",
         'derivative(lambda *a: v(*a) if torch.is_grad_enabled() else conditioned(models["net"], condition)(*a), x_s',
         masks("meanflow")),
        ("label dropped", 'conditioned(models["net"], condition, ', 'conditioned(models["net"], None, ', labels("meanflow")),
    ),
    *of(
        "imm", "methods/imm.py",
        ("no dropout", STUDENT, "None", masks("imm")),
        ("second particles without the mask", "y_sg = jump(v,", 'y_sg = jump(conditioned(models["net"], batch.condition),',
         masks("imm")),
        ("masks of their own", "y_sg = jump(v,",
         'y_sg = jump(conditioned(models["net"], batch.condition, context.draws.dropout("target")),', masks("imm")),
        ("second particles without labels", "y_sg = jump(v,", 'y_sg = jump(conditioned(models["net"], None, dropout),',
         labels("imm")),
    ),
    *of(
        "ayf", "methods/ayf.py",
        ("no dropout", STUDENT, "None", (masks("ayf_emd"), masks("ayf_lmd"))),
        ("teacher without labels", "return lambda x, t: context.teach(x, t, batch.condition)",
         "return lambda x, t: context.teach(x, t)", (labels("ayf_emd"), labels("ayf_lmd"))),
        ("weak teacher without labels", "context.teach_weakly(x, t, batch.condition)", "context.teach_weakly(x, t)",
         labels("ayf_emd_guided")),
    ),
    *of(
        "sct, scd", "methods/scm.py",
        ("no dropout", STUDENT, "None", (masks("sct"), masks("scd"))),
        ("derivative of a network without dropout", "self.tangent(F, value",
         'self.tangent(on_trigflow(conditioned(models["net"], batch.condition), path), value', (masks("sct"), masks("scd"))),
        ("teacher without labels", "context.teach(x_s, s, batch.condition)", "context.teach(x_s, s)", labels("scd")),
        ci="no dropout",
    ),
    *of(
        "pfmm", "methods/pfmm.py",
        ("no dropout", STUDENT, "None", masks("pfmm")),
        ("teacher with dropout", 'return conditioned(models["teacher"], batch.condition)',
         f'return conditioned(models["teacher"], batch.condition, {STUDENT})', masks("pfmm")),
        ("teacher without labels", 'conditioned(models["teacher"], batch.condition)', 'conditioned(models["teacher"])',
         labels("pfmm")),
        ("first teacher without labels", "context.teach(x, s, batch.condition)", "context.teach(x, s)", labels("pfmm-first")),
    ),
    *of(
        "progressive", "methods/progressive.py",
        ("no dropout", STUDENT, "None", masks("progressive")),
        ("teacher with dropout", 'conditioned(models["teacher"], batch.condition)',
         f'conditioned(models["teacher"], batch.condition, {STUDENT})', masks("progressive")),
        ("teacher without labels", 'conditioned(models["teacher"], batch.condition)', 'conditioned(models["teacher"])',
         labels("progressive")),
        ("second half of the first round without labels", "context.teach(half, m, batch.condition)", "context.teach(half, m)",
         labels("progressive-first")),
        ("sampled without its label", 'models else "net"], condition)', 'models else "net"])', jumps("progressive")),
    ),
    *of(
        "tract", "methods/tract.py",
        ("no dropout", STUDENT, "None", masks("tract")),
        ("slow copy with dropout", 'models)["net"], batch.condition)', f'models)["net"], batch.condition, {STUDENT})',
         masks("tract")),
        ("slow copy without labels", 'models)["net"], batch.condition)', 'models)["net"])', labels("tract")),
        ("teacher without labels", 'models["teacher"], batch.condition)', 'models["teacher"])', labels("tract")),
        ("first teacher without labels", "context.teach(x, s, batch.condition)", "context.teach(x, s)", labels("tract-first")),
    ),
    *[
        fault
        for name in ("lsd", "esd", "psd_m", "psd_u")
        for fault in of(
            name, SELF,
            ("no dropout on the diagonal", 'context.draws.dropout("student", on)', "None", masks(name)),
            ("dropout off the diagonal", "guide.at(off).told)",
             'guide.at(off).told, context.draws.dropout("student", off))', masks(name)),
            ("masks of the first samples", 'context.draws.dropout("student", on)',
             'context.draws.dropout("student", torch.arange(len(on)))', masks(name)),
            ("labels of the first samples", "guide.at(off).told)", "guide.at(torch.arange(len(off))).told)", labels(name)),
            ("diagonal without labels", "own.told, context.draws", "None, context.draws", labels(name)),
        )
    ],
    *of(
        "shortcut", "methods/shortcut.py",
        ("no dropout at the smallest step", 'context.draws.dropout("student", off)', "None", masks("shortcut")),
        ("no dropout in the bootstrap", 'context.draws.dropout("bootstrap", on)', "None", masks("shortcut")),
        ("slow copy with dropout", 'models)["net"], None if labels is None else labels[on])',
         'models)["net"], None if labels is None else labels[on], context.draws.dropout("bootstrap", on))', masks("shortcut")),
        ("slow copy without labels", 'models)["net"], None if labels is None else labels[on])', 'models)["net"])',
         labels("shortcut")),
        ("labels of the first samples", "else labels[off], context", "else labels[: len(off)], context", labels("shortcut")),
        ci="slow copy with dropout",
    ),
    *of(
        "soflow", "methods/soflow.py",
        ("no dropout", 'context.draws.dropout("student", off)', "None", masks("soflow")),
        ("later point without the mask", "later = v(", 'later = conditioned(models["net"], labels)(', masks("soflow")),
        ("later point without labels", "later = v(",
         'later = conditioned(models["net"], None, context.draws.dropout("student", off))(', labels("soflow")),
        ("diagonal without dropout", 'context.draws.dropout("velocity", on)', "None", masks("soflow_velocity")),
        ("diagonal with the others' labels", "labels[on], context", "labels[: len(on)], context", labels("soflow_velocity")),
    ),
    *[
        fault
        for name in ("cd", "cd_slow", "ct", "ict", "ect", "tcm-first")
        for fault in of(
            name.split("_")[0].split("-")[0], CONSISTENCY,
            (f"no dropout [{name}]", STUDENT, "None", masks(name)),
            (f"target without the mask [{name}]", "r, batch.condition, dropout)", "r, batch.condition, None)", masks(name)),
            (f"target with another mask [{name}]", "r, batch.condition, dropout)",
             'r, batch.condition, context.draws.dropout("target"))', masks(name)),
            (f"target without labels [{name}]", "r, batch.condition, dropout)", "r, None, dropout)", labels(name)),
            (f"student without labels [{name}]", NET, 'conditioned(models["net"], None, ', labels(name)),
            ci=f"target with another mask [{name}]" if name == "cd_slow" else "",
        )
    ],
    *of(
        "cmt", "methods/cmt.py",
        ("no dropout", STUDENT, "None", masks("cmt-first")),
        ("labels of data for a path", 'conditioned(models["net"], None, ', 'conditioned(models["net"], batch.condition, ',
         labels("cmt-first")),
    ),
    *of(
        "gaf", CONSISTENCY,
        ("samples without labels", 'conditioned(slow["net"], labels)', 'conditioned(slow["net"])', labels("gaf")),
        ("samples with the others' labels", "batch.condition[on]", "batch.condition[: len(on)]", labels("gaf")),
        ("samples with the student's mask", 'conditioned(slow["net"], labels)',
         'conditioned(slow["net"], labels, context.draws.dropout("student", on))', masks("gaf")),
    ),
    *of(
        "cd", CONSISTENCY,
        ("teacher without labels", "context.teach(x, t, batch.condition)", "context.teach(x, t)", labels("cd")),
    ),
    *of(
        "tcm", "methods/truncated.py",
        ("frozen network without the mask", 'conditioned(models["first"], condition, dropout)',
         'conditioned(models["first"], condition)', masks("tcm")),
        ("frozen network without labels", 'conditioned(models["first"], condition, dropout)',
         'conditioned(models["first"], None, dropout)', labels("tcm")),
        ("sampled without its label", "conditioned(models[role], condition)", "conditioned(models[role])", jumps("tcm")),
    ),
    *of(
        "ctm", "methods/ctm.py",
        ("slow copy without the mask", '["net"], batch.condition, dropout)\n        estimate',
         '["net"], batch.condition, None)\n        estimate', masks("ctm")),
        ("slow copy without labels", '["net"], batch.condition, dropout)\n        estimate',
         '["net"], None, dropout)\n        estimate', labels("ctm")),
        ("teacher without labels", "context.teach(x, t, batch.condition)", "context.teach(x, t)", labels("ctm")),
        ("denoising without dropout", 'context.draws.dropout("denoising")', "None", masks("ctm")),
        ("denoising without labels", "conditioned(net, batch.condition, ", "conditioned(net, None, ", labels("ctm")),
    ),
    *of(
        "dsno", "methods/operator.py",
        ("no dropout", f"_per_slot({STUDENT}, self.slots)", "None", masks("dsno")),
        ("sampled without its label", "self.trajectory(models, x, condition)", "self.trajectory(models, x)", jumps("dsno")),
        ("labels that do not follow the slots", "condition.repeat_interleave(self.slots, 0)",
         "condition.repeat(self.slots)", jumps("dsno")),
    ),
    *of(
        "labels", "methods/base.py",
        ("teacher asked without them", "return self.teacher(x, t, condition)", "return self.teacher(x, t, None)",
         (labels("lmd"), labels("cd"), labels("scd"), labels("ctm"))),
        ("weak teacher asked without them", "self.weak_teacher(x, t, condition)", "self.weak_teacher(x, t, None)",
         labels("ayf_emd_guided")),
        ("sampled without them", 'jump(conditioned(models["net"], condition), x, s, t)',
         'jump(conditioned(models["net"]), x, s, t)', (jumps("lsd"), jumps("meanflow"), jumps("imm"))),
        ci="teacher asked without them",
    ),
    *of(
        "labels", "methods/tools/network.py",
        ("lost on the way", "condition=condition, dropout", "condition=None, dropout",
         PASSES + "a_function_of_a_network_hands_on_its_label_and_mask"),
    ),
    *of(
        "labels", "bench/teaching/teacher.py",
        ("teacher that ignores them", "self.net(x, t, t, condition=condition)", "self.net(x, t, t)",
         PASSES + "a_teacher_sees_the_label_on_its_diagonal_and_has_no_mask"),
    ),
    *of(
        "labels", "bench/training/batches.py",
        ("of other samples", "self.labels[i]", "self.labels[: len(i)]",
         BATCHES + "a_conditional_batch_holds_each_samples_own_label"),
        ("for every network", "if conditional and data.labels is not None", "if data.labels is not None",
         BATCHES + "labels_are_for_conditional_networks_only"),
    ),
]  # fmt: skip
