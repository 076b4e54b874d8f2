//! The right to evict is taken away while a batch is under way: the run says
//! which verb, resource and pod, and nothing goes on.

use crate::block_on;
use crate::scenario::NODES;
use crate::trap::{Sort, Witness};
use crate::world::World;
use std::cell::RefCell;
use std::rc::Rc;
use tranche::core::object::ObjectRef;
use tranche::edge::cluster::KubeCluster;
use tranche::engine::Class;
use tranche::port::{Cluster, ClusterError, ClusterProblem};

/// Lets the first pod go, and answers as a server does from then on.
#[derive(Default)]
struct Forbidding(RefCell<Vec<String>>);

fn words(pod: &str) -> String {
    format!(
        "pods \"{pod}\" is forbidden: User \"u\" cannot create resource \"pods/eviction\" in API \
         group \"\" in the namespace \"default\""
    )
}

impl Witness<KubeCluster> for Forbidding {
    async fn evict(
        &self,
        cluster: &KubeCluster,
        pod: &ObjectRef,
        uid: &str,
    ) -> Result<(), ClusterError> {
        let first = self.0.borrow().is_empty();
        self.0.borrow_mut().push(pod.name.clone());
        if first {
            return cluster.evict(pod, uid, false).await;
        }
        let problem = ClusterProblem::Forbidden(words(&pod.name));
        Err(ClusterError { subject: pod.to_string(), problem })
    }
}

#[test]
fn an_eviction_that_is_forbidden_is_told_by_verb_resource_and_pod_and_nothing_goes_on() {
    block_on(async {
        let world = World::new();
        for files in NODES.before {
            world.commit(files);
            world.finish(&NODES, "before").await;
        }
        for files in NODES.change {
            world.commit(files);
        }
        let server = Rc::new(Forbidding::default());
        let ended = world.run(1, None, &server).await;
        let report = ended.report.unwrap();
        assert_eq!(report.class(), Class::Refused, "{report:?}");
        let asked = server.0.borrow().clone();
        let [_, pod] = &asked[..] else { panic!("one went, one may not: {asked:?}") };
        let told =
            |words: &str| report.entities.iter().any(|(_, rest)| rest.message.contains(words));
        assert!(told(&words(pod)) && told(&format!("Pod/default/{pod}")), "{report:?}");
        // The refused one is the last thing that was done on the cluster.
        let mut writes = ended.effects.iter().filter(|(sort, _)| *sort == Sort::Write);
        let last = writes.next_back().unwrap();
        assert!(last.1.contains(pod.as_str()), "{:?}", ended.effects);
        // Who may again goes on from there.
        world.finish(&NODES, "after").await;
    });
}
