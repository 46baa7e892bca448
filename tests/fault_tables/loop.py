"""Faults in: The bill of a training, and the sharing of its batch by several processes."""

from fault_tables.base import of

RANKS, BILL = "tests/bench/processes/test_ranks.py::", "tests/bench/accounts/test_bill.py::"
SHARES = RANKS + "test_shares_cover_the_batch_and_cut_no_group"

FAULTS = [
    *of(
        "bill", "bench/nets/count.py",
        ("forward mode not seen", "forward_mode = unpack_dual(output).tangent is not None", "forward_mode = False",
         BILL + "test_the_bill_is_what_the_method_is_known_to_use[meanflow]"),
        ("backward through forward mode not seen", "or (forward_mode and _trains(module))", "",
         BILL + "test_backward_rows_of_a_method_that_differentiates_by_torch_func_are_counted"),
        ("every row a backward row", "if torch.is_grad_enabled() and (", "if (True or ",
         BILL + "test_backward_rows_are_those_that_a_gradient_reaches[cd]"),
        ("calls of every slice", "count.calls += count.whole", "count.calls += 1",
         BILL + "test_micro_batches_do_not_change_the_bill[imm]"),
        ci="backward through forward mode not seen",
    ),
    *of(
        "bill in the loop", "bench/accounts/bill.py",
        ("repeated steps billed anew", "if self.ranks.leads and saved is not None:", "if False:",
         BILL + "test_a_repeated_step_is_billed_once[ctm]"),
    ),
    *of(
        "bill in the loop", "bench/training/train.py",
        ("the teacher not counted", "*self.frozen, into=self._bill.count", "into=self._bill.count",
         BILL + "test_the_bill_is_what_the_method_is_known_to_use[cd]"),
    ),
    *of(
        "ranks", "bench/processes/dist.py",
        ("gradients not synchronised", "dist.all_reduce(flat)", "pass",
         RANKS + "test_two_processes_train_the_network_of_one[flow_matching]"),
        ("groups cut", "(groups * k // self.size * group for k", "(batch * k // self.size for k", SHARES),
    ),
    *of(
        "ranks in the loop", "bench/training/step.py",
        ("balanced gradients of one rank", "self.ranks.sums(self._aside.gradients[name])", "self._aside.gradients[name]",
         RANKS + "test_two_processes_train_the_network_of_one[ctm]"),
        ("every rank the whole batch", "self.ranks.share(self.recipe.batch, self.state.method.needs.group)",
         "range(self.recipe.batch)",  # twice the gradient, which Adam does not see; the bill does
         RANKS + "test_the_bill_does_not_depend_on_the_processes[flow_matching]"),
        ci="balanced gradients of one rank",
    ),
    *of(
        "a finished run", "bench/scoring/model.py",
        ("sampled before its networks are made", "if not complete(method, models, images, stage):", "if False:",
         BILL + "test_a_run_in_a_stage_before_its_networks_are_made_is_not_sampled_from"),
    ),
]  # fmt: skip
