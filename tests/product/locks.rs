//! An object has one owner at a time: while a step of one entity is open, no
//! other entity begins a step over the same objects.

use crate::plans::{APPLICATION, ROLLOUT, broken_web, rollout, slow_web, web};
use crate::stage::Stage;
use crate::world::pods;

/// The application, applied directly.
fn direct(text: &str) -> String {
    text.replace("  annotations:\n    app.oam.dev/rollout-template: \"true\"\n", "")
}

#[test]
fn a_rollout_under_another_name_leaves_the_open_step_alone() {
    let stage =
        Stage::with(&[(APPLICATION, &slow_web("6.7.0")), (ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply().ends(3).says("waiting");
    let before = (stage.log().len(), stage.world().all_pods());
    let renamed = rollout("web-v1", &[]).replace("name: web\n", "name: shop\n");
    stage.commit(&[(ROLLOUT, &renamed)]);
    stage.apply().ends(77).says("frozen").says("would create");
    assert_eq!((stage.log().len(), stage.world().all_pods()), before);
    // Put back, it goes on to its end.
    stage.commit(&[(ROLLOUT, &rollout("web-v1", &[]))]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.0", 4)]));
    stage.record_is_whole();
}

#[test]
fn an_object_that_moves_to_another_owner_leaves_no_step_open_behind() {
    let stage = Stage::with(&[(APPLICATION, &direct(&broken_web("6.7.0")))]);
    stage.apply().ends(3).says("waiting");
    // The same Deployment, rendered by an application of another name.
    let moved = direct(&web("6.7.1", 4, &[])).replacen("name: web\n", "name: shop\n", 1);
    stage.commit(&[(APPLICATION, &moved)]);
    stage.apply_wait().ends(0);
    assert_eq!(stage.world().all_pods(), pods(&[("6.7.1", 4)]));
    assert!(
        stage.subjects("result").iter().any(|s| s.contains("the plan applies it directly no more"))
    );
    stage.apply().ends(0);
    stage.record_is_whole();
}
