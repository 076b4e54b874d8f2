//! An object has one owner at a time: while a step of one entity is open, no
//! other entity begins a step over the same objects.

use crate::plans::{APPLICATION, ROLLOUT, rollout, slow_web};
use crate::stage::Stage;
use crate::world::pods;

#[test]
fn a_rollout_under_another_name_waits_for_the_open_step() {
    let stage =
        Stage::with(&[(APPLICATION, &slow_web("6.7.0")), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply().ends(3).says("waiting");
    let before = (stage.log().len(), stage.world().all_pods());
    // The same workloads under another rollout: the first one is frozen with
    // its step open, and the second may not touch what that step names.
    let renamed = rollout("web-v1", &[]).replace("name: web\n", "name: shop\n");
    stage.commit(&[(ROLLOUT, &renamed)]);
    stage.apply().ends(77).says("frozen").says("is open over the same objects");
    assert_eq!((stage.log().len(), stage.world().all_pods()), before);
    // Put back, it goes on to its end.
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}
