from dataclasses import replace

import numpy as np
import pytest

from tests.captures.bvh.bvh_texts import CMU, STANDING_J3_M, J, bvh_text, figure, still
from wsgcn.base.errors import InputError
from wsgcn.captures.bvh.files import parse, positions
from wsgcn.captures.bvh.skeletons import FAMILIES, Beyond, End, recognise
from wsgcn.pose.skeleton import H36M17

IDENTITY = np.eye(3)
HEAD = H36M17.joints.index("Head")


def read(joints):
    return parse(bvh_text(joints, still(joints, 2)).encode(), "x.bvh")


def pose(joints):
    bvh = read(joints)
    body = recognise(bvh.joints, "x.bvh")
    return body.family, body.pose(positions(bvh, body.joints))[0]


def metres(family, **options):
    return figure(family, unit_m=1, turn_33=IDENTITY, **options)


def renamed(joints, old, new):
    return [replace(joint, name=new) if joint.name == old else joint for joint in joints]


@pytest.mark.parametrize("prefix", ["", "mixamorig:", "Armature_", "Bip01 ", "Character1|x:", "rig"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_family_is_recognised_after_any_prefix(family, prefix):
    name, found_J3 = pose(metres(family, prefix=prefix))
    assert name == family.name
    np.testing.assert_allclose(found_J3, STANDING_J3_M, atol=2e-6)


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda name: name.replace("_", " ").replace(".", "_")])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_case_and_separators_do_not_matter(family, change):
    joints = [replace(joint, name=change(joint.name)) for joint in metres(family)]
    assert pose(joints)[0] == family.name


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_left_is_left_in_every_family(family):
    for joint, spots in family.spots().items():
        for spot in spots:
            name = spot.of if isinstance(spot, End) else spot
            if joint[0] in "LR" and joint[1].isupper():
                side = {"L": family.sides[0], "R": family.sides[1]}[joint[0]]
                assert side.lower()[0] == joint[0].lower()
                assert side in name


@pytest.mark.parametrize(
    ("names", "family"),
    [
        # the whole lists of joints of files of these kinds, without hands and toes
        (
            "Hips LHipJoint LeftUpLeg LeftLeg LeftFoot RHipJoint RightUpLeg RightLeg RightFoot LowerBack Spine Spine1 "
            "Neck Neck1 Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm RightForeArm RightHand",
            "CMU",
        ),
        (
            "Hips Spine Spine1 Spine2 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand RightShoulder RightArm "
            "RightForeArm RightHand LeftUpLeg LeftLeg LeftFoot RightUpLeg RightLeg RightFoot",
            "Mixamo/MotionBuilder",
        ),
        (
            "joint_Root Hips Spine Chest Neck Head Shoulder_L UpperArm_L LowerArm_L Hand_L Shoulder_R UpperArm_R "
            "LowerArm_R Hand_R UpperLeg_L LowerLeg_L Foot_L UpperLeg_R LowerLeg_R Foot_R",
            "Bandai-Namco",
        ),
        (
            "Hips Chest Chest2 Chest3 Chest4 Neck Head RightCollar RightShoulder RightElbow RightWrist LeftCollar "
            "LeftShoulder LeftElbow LeftWrist RightHip RightKnee RightAnkle LeftHip LeftKnee LeftAnkle",
            "Xsens MVN",
        ),
        (
            "Bip01|Bip01 Pelvis|Bip01 Spine|Bip01 Spine1|Bip01 Neck|Bip01 Head|Bip01 L Clavicle|Bip01 L UpperArm|"
            "Bip01 L Forearm|Bip01 L Hand|Bip01 R Clavicle|Bip01 R UpperArm|Bip01 R Forearm|Bip01 R Hand|Bip01 L Thigh|"
            "Bip01 L Calf|Bip01 L Foot|Bip01 R Thigh|Bip01 R Calf|Bip01 R Foot",
            "3ds Max Biped",
        ),
        (
            "spine spine.001 spine.002 spine.003 spine.004 spine.005 spine.006 face pelvis.L pelvis.R thigh.L shin.L "
            "foot.L thigh.R shin.R foot.R shoulder.L upper_arm.L forearm.L hand.L shoulder.R upper_arm.R forearm.R "
            "hand.R",
            "Blender's Rigify",
        ),
        (
            "Pelvis L_Hip L_Knee L_Ankle L_Foot R_Hip R_Knee R_Ankle R_Foot Spine1 Spine2 Spine3 Neck Head L_Collar "
            "L_Shoulder L_Elbow L_Wrist R_Collar R_Shoulder R_Elbow R_Wrist",
            "SMPL",
        ),
        (
            "hip abdomen chest neck head leftEye rightEye rCollar rShldr rForeArm rHand lCollar lShldr lForeArm lHand "
            "rButtock rThigh rShin rFoot lButtock lThigh lShin lFoot",
            "Poser/DAZ",
        ),
    ],
)
def test_the_joints_of_real_files_are_of_their_family(names, family):
    names = names.split("|") if "|" in names else names.split()
    joints = [J(name, 0 if index else -1, (0, 0.4, 0)) for index, name in enumerate(names)]
    assert recognise(read(joints).joints, "x.bvh").family == family


def test_without_an_end_site_worth_the_name_the_head_lies_beyond_the_neck():
    joints = metres(CMU)
    end = next(i for i, joint in enumerate(joints) if not joint.name and joints[joint.parent].name == "Head")
    for length in (0.0, 0.03):
        short = [replace(joint, offset=(length, 0, 0)) if i == end else joint for i, joint in enumerate(joints)]
        np.testing.assert_allclose(pose(short)[1], STANDING_J3_M, atol=2e-6)
    long = [replace(joint, offset=(0, 0.2, 0)) if i == end else joint for i, joint in enumerate(joints)]
    np.testing.assert_allclose(pose(long)[1][HEAD], STANDING_J3_M[HEAD] + [0, 0.2, -0.115], atol=2e-6)


def test_beyond_turns_with_the_neck():
    family = next(family for family in FAMILIES if family.head == (Beyond(),))
    joints = [
        replace(joint, offset=(0, -0.1, 0)) if joint.name == family.trunk[3] else joint for joint in metres(family)
    ]
    nose, head = H36M17.joints.index("Neck/Nose"), HEAD
    found = pose(joints)[1]
    np.testing.assert_allclose(found[head] - found[nose], [0, -0.115, 0], atol=1e-9)


def test_an_unknown_family_is_one_sentence_with_names_and_families():
    joints = [J("tail " * 90, -1, (0, 0, 0)), *(J(f"leg {index}", 0, (0, 1, 0)) for index in range(200))]
    with pytest.raises(InputError) as caught:
        recognise(read(joints).joints, "x.bvh")
    message = str(caught.value)
    assert message.startswith("x.bvh: its joints (tail tail ")
    assert "leg 1, leg 2, leg 3 and 196 more" in message
    assert "which are WS-GCN's, Perception Neuron, " in message
    assert len(message) < 500


@pytest.mark.parametrize("gone", ["LeftHand", "RightUpLeg", "Neck", "Spine"])
def test_a_family_with_a_joint_missing_is_none(gone):
    with pytest.raises(InputError, match="of no skeleton known here"):
        pose(renamed(metres(CMU), gone, "other"))


def test_two_joints_of_one_name_are_one_sentence_where_it_is_needed():
    joints = metres(CMU)
    with pytest.raises(InputError, match=r"x\.bvh: has 2 joints called 'Neck'; Human3.6M's Thorax needs one"):
        pose([*joints, J("neck", 0, (0, 0, 0))])
    assert pose([*joints, J("toe", 0, (0, 0, 0)), J("toe", 0, (0, 0, 0))])[0] == "CMU"
